/* What the benchmark's upstream says on each wire: the pieces of a stream, and whole answers. */
#include <arpa/inet.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum wire { CHAT, MESSAGES, GEMINI, CONVERSE, WIRES };

/* What chunks say by turns, as JSON has it; " word" is in each once, for clients to count. No model says
 * the same for ever, and some gateways end a stream that does. */
static const char *const sayings[] = {
    " word",      " words,",     " word and",       " wording",
    " word.\\n\\n", " word of 42", " word (so what)", " word: \\\"yes\\\"",
    " worded",    " word;",      " word – naïve",   " word in",
    " word to",   " word is",    " wordless",       " word that",
};
enum { SAYINGS = sizeof sayings / sizeof *sayings };

/* Bytes that are ready to be sent. */
struct text {
    char *at;
    size_t length;
};

/* How many tokens the request took, and the answer. */
struct usage {
    long in, out;
};

static uint32_t crc_of_byte[256];
static struct text begin[WIRES], word[WIRES][SAYINGS];

static void die(const char *what) {
    perror(what);
    exit(1);
}

static void add(struct text *to, const void *data, size_t length) {
    to->at = realloc(to->at, to->length + length + 1);
    if (!to->at) die("memory");
    memcpy(to->at + to->length, data, length);
    to->length += length;
    to->at[to->length] = 0;
}

static void clear(struct text *text) {
    free(text->at);
    *text = (struct text){0};
}

/* Add one HTTP chunk. */
static void add_chunk(struct text *to, const void *data, size_t length) {
    char size[24];
    int digits = snprintf(size, sizeof size, "%zx\r\n", length);
    add(to, size, (size_t)digits);
    add(to, data, length);
    add(to, "\r\n", 2);
}

static void add_event(struct text *to, const char *form, ...) __attribute__((format(printf, 2, 3)));
static void add_event(struct text *to, const char *form, ...) {
    char event[2048];
    va_list values;
    va_start(values, form);
    int length = vsnprintf(event, sizeof event, form, values);
    va_end(values);
    add_chunk(to, event, (size_t)length);
}

static uint32_t crc32_of(const unsigned char *data, size_t length) {
    uint32_t crc = 0xffffffffu;
    while (length--) crc = crc_of_byte[(crc ^ *data++) & 255] ^ (crc >> 8);
    return ~crc;
}

static void make_crc_table(void) {
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t crc = byte;
        for (int bit = 0; bit < 8; bit++) crc = crc & 1 ? 0xedb88320u ^ (crc >> 1) : crc >> 1;
        crc_of_byte[byte] = crc;
    }
}

static size_t put32(unsigned char *at, uint32_t value) {
    value = htonl(value);
    memcpy(at, &value, 4);
    return 4;
}

static size_t put_header(unsigned char *at, const char *name, const char *value) {
    size_t named = strlen(name), said = strlen(value);
    at[0] = (unsigned char)named;
    memcpy(at + 1, name, named);
    at[named + 1] = 7; /* a string */
    at[named + 2] = (unsigned char)(said >> 8);
    at[named + 3] = (unsigned char)said;
    memcpy(at + named + 4, value, said);
    return named + said + 4;
}

/* Add one frame of the binary event stream: lengths, their CRC, headers, payload, CRC of it all. */
static void add_frame(struct text *to, const char *type, const char *payload) {
    unsigned char frame[1024];
    size_t at = 12, length = strlen(payload);
    at += put_header(frame + at, ":event-type", type);
    at += put_header(frame + at, ":content-type", "application/json");
    at += put_header(frame + at, ":message-type", "event");
    put32(frame, (uint32_t)(at + length + 4));
    put32(frame + 4, (uint32_t)(at - 12));
    put32(frame + 8, crc32_of(frame, 8));
    memcpy(frame + at, payload, length);
    at += length;
    at += put32(frame + at, crc32_of(frame, at));
    add_chunk(to, frame, at);
}

/* ---- what is said on each wire ---------------------------------------------------------------- */

#define CHAT_HEAD "data: {\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion.chunk\",\"created\":1790000000,\"model\":\"mock\","
#define NAMED(kind) "event: " kind "\ndata: {\"type\":\"" kind "\""
#define GEMINI_TAIL "\"modelVersion\":\"mock\",\"responseId\":\"bench\"}\r\n\r\n"

static void make_pieces(void) {
    char delta[256];
    add_event(&begin[CHAT], CHAT_HEAD "\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":null}]}\n\n");
    add_event(&begin[MESSAGES], NAMED("message_start") ",\"message\":{\"id\":\"msg_bench\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"mock\",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,\"usage\":{\"input_tokens\":9,\"output_tokens\":1}}}\n\n");
    add_event(&begin[MESSAGES], NAMED("content_block_start") ",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n");
    add_frame(&begin[CONVERSE], "messageStart", "{\"role\":\"assistant\"}");
    for (int n = 0; n < SAYINGS; n++) {
        add_event(&word[CHAT][n], CHAT_HEAD "\"choices\":[{\"index\":0,\"delta\":{\"content\":\"%s\"},\"finish_reason\":null}]}\n\n", sayings[n]);
        add_event(&word[MESSAGES][n], NAMED("content_block_delta") ",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"%s\"}}\n\n", sayings[n]);
        add_event(&word[GEMINI][n], "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"%s\"}],\"role\":\"model\"},\"index\":0}],\"usageMetadata\":{\"promptTokenCount\":9,\"totalTokenCount\":9}," GEMINI_TAIL, sayings[n]);
        snprintf(delta, sizeof delta, "{\"contentBlockIndex\":0,\"delta\":{\"text\":\"%s\"}}", sayings[n]);
        add_frame(&word[CONVERSE][n], "contentBlockDelta", delta);
    }
}

/* Return what ends a stream, usage in it where the wire tells it; the caller clears it. */
static struct text ending(enum wire wire, struct usage used, int tells_usage) {
    struct text end = {0};
    char usage[160];
    long in = used.in, out = used.out, all = in + out;
    if (wire == CHAT) {
        add_event(&end, CHAT_HEAD "\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n");
        if (tells_usage)
            add_event(&end, CHAT_HEAD "\"choices\":[],\"usage\":{\"prompt_tokens\":%ld,\"completion_tokens\":%ld,\"total_tokens\":%ld}}\n\n", in, out, all);
        add_event(&end, "data: [DONE]\n\n");
    } else if (wire == MESSAGES) {
        add_event(&end, NAMED("content_block_stop") ",\"index\":0}\n\n");
        add_event(&end, NAMED("message_delta") ",\"delta\":{\"stop_reason\":\"end_turn\",\"stop_sequence\":null},\"usage\":{\"input_tokens\":%ld,\"output_tokens\":%ld}}\n\n", in, out);
        add_event(&end, NAMED("message_stop") "}\n\n");
    } else if (wire == GEMINI) {
        add_event(&end, "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"\"}],\"role\":\"model\"},\"finishReason\":\"STOP\",\"index\":0}],\"usageMetadata\":{\"promptTokenCount\":%ld,\"candidatesTokenCount\":%ld,\"totalTokenCount\":%ld}," GEMINI_TAIL, in, out, all);
    } else {
        snprintf(usage, sizeof usage, "{\"usage\":{\"inputTokens\":%ld,\"outputTokens\":%ld,\"totalTokens\":%ld},\"metrics\":{\"latencyMs\":1}}", in, out, all);
        add_frame(&end, "contentBlockStop", "{\"contentBlockIndex\":0}");
        add_frame(&end, "messageStop", "{\"stopReason\":\"end_turn\"}");
        add_frame(&end, "metadata", usage);
    }
    add(&end, "0\r\n\r\n", 5);
    return end;
}

#define SAID "Hello there! This is an answer of the benchmark."

/* Write the whole answer's body into to[size]; return its length. */
static int whole(enum wire wire, struct usage used, char *to, size_t size) {
    long in = used.in, out = used.out, all = in + out;
    switch (wire) {
    case CHAT:
        return snprintf(to, size, "{\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion\",\"created\":1790000000,\"model\":\"mock\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"" SAID "\"},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":%ld,\"completion_tokens\":%ld,\"total_tokens\":%ld}}", in, out, all);
    case MESSAGES:
        return snprintf(to, size, "{\"id\":\"msg_bench\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"mock\",\"content\":[{\"type\":\"text\",\"text\":\"" SAID "\"}],\"stop_reason\":\"end_turn\",\"stop_sequence\":null,\"usage\":{\"input_tokens\":%ld,\"output_tokens\":%ld}}", in, out);
    case GEMINI:
        return snprintf(to, size, "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"" SAID "\"}],\"role\":\"model\"},\"finishReason\":\"STOP\",\"index\":0}],\"usageMetadata\":{\"promptTokenCount\":%ld,\"candidatesTokenCount\":%ld,\"totalTokenCount\":%ld},\"modelVersion\":\"mock\",\"responseId\":\"bench\"}", in, out, all);
    default:
        return snprintf(to, size, "{\"output\":{\"message\":{\"role\":\"assistant\",\"content\":[{\"text\":\"" SAID "\"}]}},\"stopReason\":\"end_turn\",\"usage\":{\"inputTokens\":%ld,\"outputTokens\":%ld,\"totalTokens\":%ld},\"metrics\":{\"latencyMs\":1}}", in, out, all);
    }
}
