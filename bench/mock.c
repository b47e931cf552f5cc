/* The upstream of the benchmark: one thread, epoll, keep-alive. It answers at once and streams words.
 *
 *   mock PORT
 *
 * The end of the path says the wire: /chat/completions, /messages, :generateContent,
 * :streamGenerateContent, /converse, /converse-stream. How many chunks come, and how far apart, stands
 * as NxG (G in microseconds; 0 is all at once) in a segment of the path, /200x10000/, or else in the
 * body, [[200x10000]]. Usage is that of the answer: a token for four bytes of the body, and one for
 * each chunk. Every event is a chunk and a send() of its own, as hosts do it. GET /count tells how
 * many calls and streams there were, and how many streams were left before their end.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "answers.h"

enum { CONNECTIONS = 65536, EVENTS = 512, SMALL = 4096, KEPT = 65536, BODY_MAX = 64 << 20 };

struct connection {
    int fd;
    char *in;           /* what was read and not yet answered */
    size_t have, room;  /* bytes of it, and its size */
    size_t need;        /* the whole request's size once its head was read; 0 before */
    struct text out;    /* what the socket did not take yet */
    enum wire wire;
    long left, total;   /* chunks still to be sent, and in all; left < 0: no stream */
    struct usage used;  /* of this answer */
    int tells_usage;
    uint64_t gap, due;  /* nanoseconds between chunks; when the next one is due */
    size_t place;       /* in the heap of what is due, from 1; 0: not there */
};

static struct connection *connections[CONNECTIONS];
static struct connection *heap[CONNECTIONS + 1];
static size_t waiting;
static int poller, alarm_fd;
static unsigned long calls, streams, cut;

static uint64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* ---- what is due: a binary heap by time, and one timer ----------------------------------------- */

static void put(size_t at, struct connection *c) {
    heap[at] = c;
    c->place = at;
}

static void sift(size_t at) {
    struct connection *c = heap[at];
    for (; at > 1 && heap[at / 2]->due > c->due; at /= 2) put(at, heap[at / 2]);
    for (size_t child; (child = at * 2) <= waiting; at = child) {
        if (child < waiting && heap[child + 1]->due < heap[child]->due) child++;
        if (heap[child]->due >= c->due) break;
        put(at, heap[child]);
    }
    put(at, c);
}

static void plan(struct connection *c) {
    if (!c->place) put(++waiting, c);
    sift(c->place);
}

static void forget(struct connection *c) {
    size_t at = c->place;
    if (!at) return;
    c->place = 0;
    struct connection *last = heap[waiting--];
    if (last == c) return;
    put(at, last);
    sift(at);
}

static void set_alarm(void) {
    static uint64_t set;
    uint64_t due = waiting ? heap[1]->due : 0;
    if (due == set) return;
    set = due;
    struct itimerspec at = {.it_value = {(time_t)(due / 1000000000u), (long)(due % 1000000000u)}};
    timerfd_settime(alarm_fd, TFD_TIMER_ABSTIME, &at, NULL);
}

/* ---- connections ------------------------------------------------------------------------------- */

static void leave(struct connection *c) {
    if (c->left >= 0) cut++;
    forget(c);
    close(c->fd);
    connections[c->fd] = NULL;
    clear(&c->out);
    free(c->in);
    free(c);
}

static void listen_for(struct connection *c, uint32_t events) {
    struct epoll_event event = {.events = events, .data.fd = c->fd};
    epoll_ctl(poller, EPOLL_CTL_MOD, c->fd, &event);
}

/* Send now what the socket takes, and the rest when it takes more. */
static void say(struct connection *c, const char *data, size_t length) {
    if (!c->out.length) {
        ssize_t sent = send(c->fd, data, length, MSG_NOSIGNAL);
        /* A connection that is gone is noticed where it is read. */
        if (sent < 0) sent = errno == EAGAIN ? 0 : (ssize_t)length;
        data += sent;
        length -= (size_t)sent;
        if (length) listen_for(c, EPOLLIN | EPOLLOUT);
    }
    if (length) add(&c->out, data, length);
}

static void say_rest(struct connection *c) {
    ssize_t sent = send(c->fd, c->out.at, c->out.length, MSG_NOSIGNAL);
    if (sent < 0) sent = errno == EAGAIN ? 0 : (ssize_t)c->out.length;
    c->out.length -= (size_t)sent;
    memmove(c->out.at, c->out.at + sent, c->out.length);
    if (c->out.length) return;
    clear(&c->out);
    listen_for(c, EPOLLIN);
}

static void answer(struct connection *c, const char *status, const char *body, int length) {
    char head[256];
    int size = snprintf(head, sizeof head, "HTTP/1.1 %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n", status, length);
    struct text all = {0};
    add(&all, head, (size_t)size);
    add(&all, body, (size_t)length);
    say(c, all.at, all.length);
    clear(&all);
}

/* Send the chunks that are due: all that are left where there is no gap. */
static void go_on(struct connection *c) {
    do {
        const struct text *piece = &word[c->wire][c->left % SAYINGS];
        say(c, piece->at, piece->length);
    } while (--c->left > 0 && !c->gap);
    if (c->left > 0) {
        c->due += c->gap;
        plan(c);
        return;
    }
    forget(c);
    struct text end = ending(c->wire, c->used, c->tells_usage);
    say(c, end.at, end.length);
    clear(&end);
    c->left = -1;
}

static void stream(struct connection *c) {
    char head[160];
    const char *media = c->wire == CONVERSE ? "application/vnd.amazon.eventstream" : "text/event-stream";
    int size = snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\ncontent-type: %s\r\ntransfer-encoding: chunked\r\n\r\n", media);
    streams++;
    say(c, head, (size_t)size);
    if (begin[c->wire].length) say(c, begin[c->wire].at, begin[c->wire].length);
    c->left = c->total;
    c->due = now();
    go_on(c);
}

/* ---- requests ---------------------------------------------------------------------------------- */

/* Whether the body says "key":true, with a blank or without. */
static int is_true(const char *body, size_t length, const char *key) {
    const char *end = body + length, *at = body;
    size_t named = strlen(key);
    while ((at = memmem(at, (size_t)(end - at), key, named))) {
        at += named;
        if (at < end && *at == ' ') at++;
        if (end - at >= 4 && !memcmp(at, "true", 4)) return 1;
    }
    return 0;
}

static int ends(const char *path, const char *with) {
    size_t length = strlen(path), tail = strlen(with);
    return length >= tail && !strcmp(path + length - tail, with);
}

/* Read NxG at `at`; return whether it stands there. */
static int paced(struct connection *c, const char *at, const char *end, char last) {
    long count, gap;
    char closing;
    char copy[48] = {0};
    memcpy(copy, at, (size_t)(end - at) < sizeof copy ? (size_t)(end - at) : sizeof copy - 1);
    if (sscanf(copy, "%ldx%ld%c", &count, &gap, &closing) != 3 || closing != last) return 0;
    if (count < 1 || gap < 0) return 0;
    c->total = count;
    c->gap = (uint64_t)gap * 1000u;
    return 1;
}

static void set_pace(struct connection *c, const char *path, const char *body, size_t length) {
    c->total = 12;
    c->gap = 0;
    for (const char *at = path; (at = strchr(at, '/')); at++)
        if (paced(c, at + 1, path + strlen(path), '/')) return;
    const char *end = body + length;
    for (const char *at = body; (at = memmem(at, (size_t)(end - at), "[[", 2)); at += 2)
        if (paced(c, at + 2, end, ']')) return;
}

static void respond(struct connection *c, char *path, const char *body, size_t length) {
    char said[1024];
    int streamed = is_true(body, length, "\"stream\":");
    calls++;
    path[strcspn(path, "?")] = 0;
    set_pace(c, path, body, length);
    c->used = (struct usage){(long)(length / 4 + 1), c->total};
    if (ends(path, "/chat/completions")) {
        c->wire = CHAT;
        c->tells_usage = is_true(body, length, "\"include_usage\":");
    } else if (ends(path, "/messages")) {
        c->wire = MESSAGES;
    } else if (ends(path, ":generateContent") || ends(path, ":streamGenerateContent")) {
        c->wire = GEMINI;
        streamed = ends(path, ":streamGenerateContent");
    } else if (ends(path, "/converse") || ends(path, "/converse-stream")) {
        c->wire = CONVERSE;
        streamed = ends(path, "/converse-stream");
    } else {
        answer(c, "404 Not Found", said, snprintf(said, sizeof said, "{\"error\":{\"message\":\"the mock does not speak this\"}}"));
        return;
    }
    if (streamed) stream(c);
    else answer(c, "200 OK", said, whole(c->wire, c->used, said, sizeof said));
}

static void tell(struct connection *c, const char *path) {
    char said[256];
    if (!strcmp(path, "/count"))
        answer(c, "200 OK", said, snprintf(said, sizeof said, "{\"calls\":%lu,\"streams\":%lu,\"cut\":%lu}", calls, streams, cut));
    else if (ends(path, "/models"))
        answer(c, "200 OK", said, snprintf(said, sizeof said, "{\"object\":\"list\",\"data\":[{\"id\":\"mock\",\"object\":\"model\",\"owned_by\":\"bench\"}]}"));
    else if (ends(path, "/health"))
        answer(c, "200 OK", "{}", 2);
    else
        answer(c, "404 Not Found", "{}", 2);
}

/* Undo the chunks of a body in place; return its length, and in *used the bytes it took, or 0 of both. */
static size_t unchunk(char *body, size_t have, size_t *used) {
    size_t from = 0, to = 0;
    *used = 0;
    for (int pass = 0; pass < 2; pass++) { /* first look whether it is whole, then move */
        for (from = to = 0;;) {
            char *line = memmem(body + from, have - from, "\r\n", 2);
            if (!line) return 0;
            size_t size = strtoul(body + from, NULL, 16), next = (size_t)(line - body) + 2;
            if (size > BODY_MAX || have < next + size + 2) return 0;
            if (pass) memmove(body + to, body + next, size);
            from = next + size + 2;
            to += size;
            if (!size) break;
        }
    }
    *used = from;
    return to;
}

/* Answer the first request that was read; return whether it was whole. */
static int handle(struct connection *c) {
    if (c->left >= 0 || (c->need && c->have < c->need)) return 0;
    char *found = memmem(c->in, c->have, "\r\n\r\n", 4);
    if (!found) return 0;
    size_t head = (size_t)(found - c->in) + 4, length = 0, used = head;
    found[2] = 0; /* ends the head as a string, for the searches */
    char *sized = strcasestr(c->in, "\r\ncontent-length:");
    char *chunked = strcasestr(c->in, "\r\ntransfer-encoding: chunked");
    char *expects = strcasestr(c->in, "\r\nexpect: 100-continue");
    char path[1024] = {0};
    sscanf(c->in, "%*15s %1023s", path);
    found[2] = '\r';
    if (expects && !c->need) say(c, "HTTP/1.1 100 Continue\r\n\r\n", 25);
    c->need = head;
    if (sized) {
        length = strtoul(sized + 17, NULL, 10);
        used = c->need = head + length;
        if (c->have < used) return 0;
    } else if (chunked) {
        size_t taken;
        length = unchunk(c->in + head, c->have - head, &taken);
        if (!taken) return 0;
        used = head + taken;
    }
    if (!memcmp(c->in, "GET ", 4)) tell(c, path);
    else respond(c, path, c->in + head, length);
    c->have -= used;
    memmove(c->in, c->in + used, c->have);
    c->need = 0;
    if (!c->have && c->room > KEPT) c->in = realloc(c->in, c->room = SMALL);
    return 1;
}

/* Read what came; return whether the connection still stands. */
static int take(struct connection *c) {
    for (;;) {
        size_t wanted = c->need > c->have ? c->need + 1 : c->have + SMALL;
        if (wanted > BODY_MAX) return 0;
        if (c->room < wanted) {
            c->room = wanted > c->room * 2 ? wanted : c->room * 2;
            c->in = realloc(c->in, c->room);
            if (!c->in) die("memory");
        }
        size_t asked = c->room - c->have;
        ssize_t got = recv(c->fd, c->in + c->have, asked, 0);
        if (got == 0 || (got < 0 && errno != EAGAIN)) return 0;
        if (got < 0) return 1;
        c->have += (size_t)got;
        while (c->have && handle(c)) {}
        if ((size_t)got < asked) return 1;
    }
}

static void welcome(int door) {
    int on = 1, fd;
    while ((fd = accept4(door, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        if (fd >= CONNECTIONS) {
            close(fd);
            continue;
        }
        struct connection *c = calloc(1, sizeof *c);
        if (!c) die("memory");
        c->fd = fd;
        c->left = -1;
        connections[fd] = c;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
        epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
    }
}

static void ring(void) {
    uint64_t rings;
    if (read(alarm_fd, &rings, sizeof rings) < 0 && errno != EAGAIN) die("timer");
    for (uint64_t t = now(); waiting && heap[1]->due <= t;) go_on(heap[1]);
}

static int open_door(int port) {
    int on = 1, door = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(door, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(door, (struct sockaddr *)&at, sizeof at) || listen(door, 4096)) die("cannot listen");
    return door;
}

int main(int count, char **words) {
    if (count != 2) {
        fprintf(stderr, "mock PORT\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    make_crc_table();
    make_pieces();
    int door = open_door(atoi(words[1]));
    poller = epoll_create1(0);
    alarm_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    for (int i = 0; i < 2; i++) {
        int fd = i ? alarm_fd : door;
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
        epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
    }
    for (struct epoll_event events[EVENTS];;) {
        int ready = epoll_wait(poller, events, EVENTS, -1);
        for (int i = 0; i < ready; i++) {
            int fd = events[i].data.fd;
            struct connection *c = fd < CONNECTIONS ? connections[fd] : NULL;
            if (fd == door) welcome(door);
            else if (fd == alarm_fd) ring();
            else if (c) {
                if ((events[i].events & EPOLLOUT) && c->out.length) say_rest(c);
                if ((events[i].events & ~(uint32_t)EPOLLOUT) && !take(c)) leave(c);
            }
        }
        set_alarm();
    }
}
