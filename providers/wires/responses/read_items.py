"""Reads a client's input items as turns.

This wire has one item for each thought, message, call and result. What stands between two words of
the user is one turn of the assistant, and the results of its calls follow it in one message,
wherever the client put them: other wires know no other order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from msgspec.structs import replace

from providers.ir import (
    File,
    Image,
    Message,
    Opaque,
    Part,
    Role,
    Text,
    Tool,
    ToolCall,
    ToolResult,
    Trace,
)
from providers.wires.responses import client_tools
from providers.wires.responses.fields import needed, text, whole
from providers.wires.responses.read_parts import (
    OF_CALL,
    OF_TEXT,
    read_content,
    read_reasoning,
)
from providers.wires.responses.read_tools import WIRE, read_tools
from providers.wires.wire import BadRequestError, Json

ROLES: Mapping[str, Role] = MappingProxyType(
    {"user": "user", "system": "system", "developer": "developer", "assistant": "assistant"}
)
# Items that another host could not understand and without which the conversation is another one.
BOUND = frozenset(
    {
        "compaction",
        "compaction_trigger",
        "computer_call",
        "computer_call_output",
        "mcp_approval_request",
        "mcp_approval_response",
        "program",
        "program_output",
    }
)


@dataclass(slots=True)
class _Turn:
    role: Role
    parts: list[Part] = field(default_factory=list)
    results: list[ToolResult] = field(default_factory=list)


class ItemReader:
    """Takes the items in order; then ``messages`` are the turns.

    ``tools`` are those that items declared on the way, ``extras`` what has no place in the form.
    """

    def __init__(self) -> None:
        self._turns: list[_Turn] = []
        self._callers: dict[str, tuple[_Turn, ToolCall]] = {}
        # Older shell tools name the item and not the call in their results.
        self._item_calls: dict[str, str] = {}
        self._of_next_call: tuple[Opaque, ...] = ()
        self.tools: list[Tool] = []
        self.extras: Json = {}

    def add(self, item: Json, path: str) -> None:
        """Take the next item. Raises ``BadRequestError``."""
        kind = item.get("type")
        if kind is None:
            kind = "message" if "role" in item else "item_reference"
        if not isinstance(kind, str):
            raise BadRequestError(f"`{path}.type` must be a string", f"{path}.type")
        if (kind in client_tools.CALLS or kind in client_tools.OUTPUTS) and client_tools.is_hosted(
            item
        ):
            self._assistant().parts.append(Trace(WIRE, item))
            return
        READERS.get(kind, ItemReader.host_work)(self, item, path)

    def messages(self) -> tuple[Message, ...]:
        """Return the turns so far."""
        found: list[Message] = []
        for turn in self._turns:
            if (turn.parts or turn.role != "assistant") and turn.role != "tool":
                found.append(Message(turn.role, tuple(turn.parts)))
            if turn.results:
                found.append(Message("tool", tuple(turn.results)))
        return tuple(found)

    def _assistant(self) -> _Turn:
        last = self._turns[-1] if self._turns else None
        if last is None or last.role != "assistant" or last.results:
            last = _Turn("assistant")
            self._turns.append(last)
        return last

    def message(self, item: Json, path: str) -> None:
        """A message of anyone."""
        said = needed(item, "role", path)
        role = ROLES.get(said)
        if role is None:
            raise BadRequestError(
                f"`{path}.role` must be user, assistant, system or developer, not {said!r}",
                f"{path}.role",
            )
        parts = read_content(item.get("content"), f"{path}.content")
        if role == "assistant":
            self._assistant().parts += parts
        else:
            self._turns.append(_Turn(role, list(parts)))

    def reasoning(self, item: Json, path: str) -> None:
        """Thoughts, or the state of another wire's call or text in the same guise."""
        turn = self._assistant()
        own, others = read_reasoning(item, path)
        if own is not None:
            turn.parts.append(own)
        for state in others:
            if state.kind.startswith(OF_CALL):
                plain = replace(state, kind=state.kind.removeprefix(OF_CALL))
                self._of_next_call = (*self._of_next_call, plain)
            else:
                _give_text(turn, replace(state, kind=state.kind.removeprefix(OF_TEXT)))

    def function_call(self, item: Json, path: str) -> None:
        """A call of a function."""
        written = text(item, "arguments", path) or "{}"
        self._call(item, path, written, needed(item, "name", path))

    def custom_tool_call(self, item: Json, path: str) -> None:
        """A call with free text."""
        name, written = needed(item, "name", path), whole(item, "input", path)
        self._call(item, path, written, name, custom=True)

    def client_call(self, item: Json, path: str) -> None:
        """A call of a tool that the client runs itself."""
        written = client_tools.arguments(item, path)
        self._call(item, path, written, client_tools.CALLS[item["type"]])

    def _call(
        self, item: Json, path: str, written: str, name: str, *, custom: bool = False
    ) -> None:
        turn = self._assistant()
        call = ToolCall(
            needed(item, "call_id", path),
            name,
            written,
            "custom" if custom else "function",
            text(item, "namespace", path),
            self._of_next_call,
        )
        self._of_next_call = ()
        turn.parts.append(call)
        self._callers[call.id] = (turn, call)
        item_id = text(item, "id", path)
        if item_id:
            self._item_calls[item_id] = call.id

    def call_output(self, item: Json, path: str) -> None:
        """What a function or a custom tool gave."""
        output = item.get("output")
        if output is None:
            raise BadRequestError(f"`{path}.output` must be a string or a list", f"{path}.output")
        parts = read_content(output, f"{path}.output")
        plain = tuple(part for part in parts if isinstance(part, Text | Image | File))
        if len(plain) != len(parts):
            words = f"`{path}.output` may hold text, pictures and documents"
            raise BadRequestError(words, f"{path}.output")
        custom = item.get("type") == "custom_tool_call_output"
        self._result(needed(item, "call_id", path), plain, custom=custom)

    def client_output(self, item: Json, path: str) -> None:
        """What a tool gave that the client ran itself."""
        if item["type"] == "tool_search_output":
            known = {(tool.namespace, tool.name) for tool in self.tools}
            found = read_tools(item, path, self.extras)
            self.tools += [tool for tool in found if (tool.namespace, tool.name) not in known]
        at = text(item, "call_id", path) or needed(item, "id", path)
        failed = item.get("status") == "failed"
        given = (Text(client_tools.result(item)),)
        self._result(self._item_calls.get(at, at), given, failed=failed)

    def _result(
        self,
        call_id: str,
        parts: tuple[Text | Image | File, ...],
        *,
        custom: bool = False,
        failed: bool = False,
    ) -> None:
        turn, call = self._callers.get(call_id, (None, None))
        if turn is None:
            # Its call was left out of the history.
            last = self._turns[-1] if self._turns else None
            turn = last if last is not None and last.results else _Turn("tool")
            if turn is not last:
                self._turns.append(turn)
        kind = call.kind if call is not None else ("custom" if custom else "function")
        name = call.name if call is not None else ""
        turn.results.append(ToolResult(call_id, parts, name, failed, kind))

    def additional_tools(self, item: Json, path: str) -> None:
        """Tools that are declared in the midst of the conversation."""
        self.tools += read_tools(item, path, self.extras)

    def reference(self, item: Json, path: str) -> None:
        """An item that should have been put in by now."""
        raise BadRequestError(
            f"`{path}` refers to an item that is not kept here ({item.get('id')!r}); send the item",
            path,
        )

    def bound(self, item: Json, _path: str) -> None:
        """An item that only the host that made it can use."""
        self.extras[f"input.{item['type']}"] = True

    def host_work(self, item: Json, path: str) -> None:
        """Something that a host did itself."""
        if not item["type"]:
            raise BadRequestError(f"`{path}.type` must not be empty", f"{path}.type")
        self._assistant().parts.append(Trace(WIRE, item))


def _give_text(turn: _Turn, state: Opaque) -> None:
    last = turn.parts[-1] if turn.parts else None
    if isinstance(last, Text):
        turn.parts[-1] = replace(last, opaque=(*last.opaque, state))
    else:
        turn.parts.append(Text("", opaque=(state,)))


READERS: Mapping[str, Callable[[ItemReader, Json, str], None]] = MappingProxyType(
    {
        "message": ItemReader.message,
        "reasoning": ItemReader.reasoning,
        "function_call": ItemReader.function_call,
        "custom_tool_call": ItemReader.custom_tool_call,
        "function_call_output": ItemReader.call_output,
        "custom_tool_call_output": ItemReader.call_output,
        "additional_tools": ItemReader.additional_tools,
        "item_reference": ItemReader.reference,
        **dict.fromkeys(client_tools.CALLS, ItemReader.client_call),
        **dict.fromkeys(client_tools.OUTPUTS, ItemReader.client_output),
        **dict.fromkeys(BOUND, ItemReader.bound),
    }
)
