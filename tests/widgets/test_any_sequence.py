"""Whatever happens in whatever order, the state shown is the one that the event log implies, nothing lost or doubled.

Two tabs of one annotator work on the kernel halves of two widgets over one store. Each tab does what the browser half
does: it makes events with ids of its own, keeps them until they are acknowledged, and sends them again when it
hears nothing. Messages and replies get lost, arrive twice or late; pages are reloaded; kernels are restarted.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from mlf_widgets import Annotator
from pipeline.annotation.events import Event, EventKind
from pipeline.project.folder import Project, open_project
from pipeline.project.opaque_ids import ImageNumbers
from pipeline.sessions.local import LocalSession
from pipeline.votes.words import Round

POSITIONS = st.integers(0, 2)
NUMBERS = st.integers(0, 4)
TABS = st.integers(0, 1)


class Tab:
    """The browser half's bookkeeping: what is waiting, what can be undone, in the order made."""

    def __init__(self, machine: AnySequence, name: str) -> None:
        self.machine, self.name = machine, name
        self.waiting: list[dict[str, Any]] = []
        self.kernel = machine.new_kernel()
        self.load()

    def ask(self, kind: str, **params: Any) -> Any:
        request = json.loads(json.dumps({"id": "request", "kind": kind, "params": params}))
        reply = json.loads(json.dumps(self.kernel.answer(request)[0]))
        assert reply["ok"], reply
        return reply["result"]

    def load(self) -> None:
        """Load the page: everything is asked for again; what is waiting was kept."""
        info = self.ask("open")
        self.undo, self.redo = info["undo"], info["redo"]
        self.last_seq = info["last_seq"]
        self.tasks = {task["position"]: task for task in self.ask("tasks", positions=[0, 1, 2])}

    def poll(self) -> None:
        changes = self.ask("changes", since_seq=self.last_seq)
        self.last_seq = changes["last_seq"]
        self.undo, self.redo = changes["undo"], changes["redo"]
        for position, state in changes["states"].items():
            self.tasks[int(position)]["state"] = state

    def act(self, position: int, kind: str, payload: dict[str, Any], shown: list[int]) -> None:
        self.machine.n_events += 1
        event = {
            "event_id": f"{self.name}-event-{self.machine.n_events:04d}",
            "round": "annotation",
            "annotator": "ada",
            "image_number": self.tasks[position]["image_number"],
            "kind": kind,
            "payload": payload,
            "shown": shown,
            "active_ms": self.machine.n_events,
            "order": self.tasks[position]["order"],
            "client_time": "2026-01-31T09:00:00Z",
        }
        self.waiting.append(event)
        self.machine.made.append(event)
        if kind not in {"undo", "redo", "view", "frames"}:
            self.undo, self.redo = [*self.undo, [event["event_id"], position]], []

    def deliver(self, *, reply_arrives: bool) -> None:
        results = self.ask("save", events=self.waiting)
        assert [result["event_id"] for result in results] == [event["event_id"] for event in self.waiting]
        for event, result in zip(self.waiting, results, strict=True):
            assert result["seq"] is not None or result["is_final"], result
            if result["seq"] is None:
                self.machine.refused.add(event["event_id"])
        if reply_arrives:
            self.waiting = []


class AnySequence(RuleBasedStateMachine):
    """Two tabs, one store."""

    template: Project

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(mkdtemp(prefix="mlf-sequence-"))
        shutil.copytree(self.template.root, self.folder / "project")
        self.made: list[dict[str, Any]] = []
        self.refused: set[str] = set()
        self.n_events = 0

    @initialize()
    def open_two_tabs(self) -> None:
        self.tabs = [Tab(self, "first"), Tab(self, "second")]

    def new_kernel(self) -> Annotator:
        return Annotator(LocalSession(open_project(self.folder / "project"), "ada"))

    def teardown(self) -> None:
        if hasattr(self, "tabs"):
            self.settle()
            for tab in self.tabs:
                tab.kernel.close()
        shutil.rmtree(self.folder)

    def settle(self) -> None:
        """Let everything arrive, then compare what each tab would show with what the log implies."""
        for tab in self.tabs:
            tab.deliver(reply_arrives=True)
        session = self.tabs[0].kernel.session
        numbers = ImageNumbers(bytes.fromhex(session.open().image_key))
        log = list(session._store.iter_events(annotator="ada"))
        in_log = [event.event_id for event in log]
        assert len(in_log) == len(set(in_log)), "an event was doubled"
        assert set(in_log) == {event["event_id"] for event in self.made} - self.refused, "an event was lost"
        for tab in self.tabs:
            tab.poll()
            fresh = {task["position"]: task for task in tab.ask("tasks", positions=[0, 1, 2])}
            for position, task in fresh.items():
                own = [event for event in log if numbers.number(event.image_index) == task["image_number"]]
                assert essence(task["state"]) == replay(own)
                assert essence(tab.tasks[position]["state"]) == replay(own)
            n_done = sum(is_decided(task["state"]) for task in fresh.values())
            progress = tab.ask("open")["progress"]
            assert progress["n_done"] == n_done
            assert progress["n_commented"] == sum(bool(task["state"]["comment"]) for task in fresh.values())
            undecided = [position for position, task in sorted(fresh.items()) if not is_decided(task["state"])]
            assert tab.ask("find", which="not_done", start=0, step=1) == (undecided[0] if undecided else 3)
        undo, redo = stacks(log)
        assert [event_id for event_id, _ in self.tabs[0].undo] == undo
        assert [event_id for event_id, _ in self.tabs[1].redo] == redo

    # --- what people do ---

    @rule(tab=TABS, position=POSITIONS, number=NUMBERS, vote=st.sampled_from(["yes", "no", "unsure", "clear"]))
    def vote(self, tab: int, position: int, number: int, vote: str) -> None:
        proposals = self.tabs[tab].tasks[position]["proposals"]
        class_index = proposals[number]["class_index"]
        shown = [proposal["class_index"] for proposal in proposals[: number + 1]]
        self.tabs[tab].act(position, "vote", {"class_index": class_index, "vote": vote}, shown)

    @rule(tab=TABS, position=POSITIONS, kind=st.sampled_from(["none", "unsure", "searched"]), value=st.booleans())
    def flag(self, tab: int, position: int, kind: str, value: bool) -> None:
        self.tabs[tab].act(position, kind, {"value": value}, [1, 2])

    @rule(tab=TABS, position=POSITIONS)
    def frames(self, tab: int, position: int) -> None:
        self.tabs[tab].act(position, "frames", {}, [3])

    @rule(tab=TABS, position=POSITIONS, text=st.sampled_from(["", "a", "<b>"]))
    def comment(self, tab: int, position: int, text: str) -> None:
        self.tabs[tab].act(position, "comment", {"text": text}, [])

    @rule(tab=TABS, position=POSITIONS, x=st.sampled_from([None, 0.25, 1]))
    def region(self, tab: int, position: int, x: float | None) -> None:
        regions = [] if x is None else [{"kind": "point", "x": x, "y": 0.5}]
        self.tabs[tab].act(position, "region", {"class_index": 4, "regions": regions}, [4])

    @rule(tab=TABS, kind=st.sampled_from(["undo", "redo"]))
    def undo(self, tab: int, kind: str) -> None:
        own = self.tabs[tab]
        stack, other = (own.undo, own.redo) if kind == "undo" else (own.redo, own.undo)
        if stack:
            target, position = stack.pop()
            other.append([target, position])
            own.act(position, kind, {"target": target}, [])

    # --- what happens to them ---

    @rule(tab=TABS)
    def everything_arrives(self, tab: int) -> None:
        self.tabs[tab].deliver(reply_arrives=True)

    @rule(tab=TABS)
    def the_reply_is_lost(self, tab: int) -> None:
        self.tabs[tab].deliver(reply_arrives=False)

    @rule(tab=TABS, data=st.data())
    def an_old_message_arrives_again(self, tab: int, data: st.DataObject) -> None:
        waiting = {event["event_id"] for own in self.tabs for event in own.waiting}
        old = [event for event in self.made if event["event_id"] not in waiting]
        if old:
            again = data.draw(st.lists(st.sampled_from(old), max_size=3))
            self.tabs[tab].ask("save", events=again)

    @rule(tab=TABS)
    def poll(self, tab: int) -> None:
        own = self.tabs[tab]
        if not own.waiting:
            own.poll()

    @rule(tab=TABS)
    def reload_the_page(self, tab: int) -> None:
        own = self.tabs[tab]
        own.load()
        if not own.waiting:
            return
        own.deliver(reply_arrives=True)
        own.poll()

    @rule(tab=TABS)
    def restart_the_kernel(self, tab: int) -> None:
        own = self.tabs[tab]
        own.kernel.close()
        own.kernel = self.new_kernel()

    @rule()
    def all_is_well(self) -> None:
        self.settle()

    @invariant()
    def progress_counts_what_the_store_holds(self) -> None:
        if not hasattr(self, "tabs"):
            return
        tab = self.tabs[0]
        states = [task["state"] for task in tab.ask("tasks", positions=[0, 1, 2])]
        assert tab.ask("open")["progress"]["n_done"] == sum(map(is_decided, states))


def is_decided(state: dict[str, Any]) -> bool:
    return bool(state["votes"]) or state["none"] or state["unsure"]


def essence(state: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in state.items() if key != "last_seq"}


def replay(log: list[Any]) -> dict[str, Any]:
    """Replay one image's log as a person would, without the fold's own code."""
    cancelled: set[str] = set()
    for event in log:
        if event.kind == "undo":
            cancelled.add(event.payload["target"])
        if event.kind == "redo":
            cancelled.discard(event.payload["target"])
    state: dict[str, Any] = {
        "votes": {},
        "none": False,
        "unsure": False,
        "comment": "",
        "searched": False,
        "regions": {},
    }
    for event in (event for event in log if event.event_id not in cancelled):
        payload = event.payload
        if event.kind == "vote":
            state["votes"][str(payload["class_index"])] = payload["vote"]
            state["none"] = state["none"] and payload["vote"] != "yes"
        elif event.kind == "none":
            state |= {"none": payload["value"]} | ({"votes": {}} if payload["value"] else {})
        elif event.kind in {"unsure", "searched"}:
            state[event.kind] = payload["value"]
        elif event.kind == "comment":
            state["comment"] = payload["text"]
        elif event.kind == "region":
            state["regions"][str(payload["class_index"])] = payload["regions"]
    state["votes"] = {key: vote for key, vote in state["votes"].items() if vote != "clear"}
    state["regions"] = {key: regions for key, regions in state["regions"].items() if regions}
    state["shown"] = sorted({class_index for event in log for class_index in event.shown})
    state["active_ms"] = sum(event.active_ms for event in log)
    state["saw_frames"] = any(event.kind == "frames" for event in log)
    return state | {"offered": [], "open_again": []}  # nobody changes the classes here


def stacks(log: list[Any]) -> tuple[list[str], list[str]]:
    """Undo and redo as two piles of paper."""
    done: list[str] = []
    undone: list[str] = []
    for event in log:
        if event.kind == "undo" and event.payload["target"] in done:
            done.remove(event.payload["target"])
            undone.append(event.payload["target"])
        elif event.kind == "redo" and event.payload["target"] in undone:
            undone.remove(event.payload["target"])
            done.append(event.payload["target"])
        elif event.kind not in {"undo", "redo", "view", "frames"}:
            done.append(event.event_id)
            undone.clear()
    return done, undone


@pytest.mark.slow
@pytest.mark.hypothesis
def test_any_sequence_ends_in_the_state_that_the_log_implies(project: Project) -> None:
    AnySequence.template = project
    run_state_machine_as_test(
        AnySequence,
        settings=settings(max_examples=25, stateful_step_count=30, suppress_health_check=list(HealthCheck)),
    )


def test_a_session_hears_of_what_was_saved_while_it_opened(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    here, there = LocalSession(project, "ada"), LocalSession(project, "ada")
    image_index = here.tasks([0])[0].image_index
    vote = Event("saved-while-opening", Round.ANNOTATION, "ada", image_index, EventKind.NONE, {"value": True})
    read = here._store.undo_stacks

    def read_then_save(round_: Round, annotator: str) -> Any:
        found = read(round_, annotator)
        assert there.save([vote])[0].seq is not None
        return found

    monkeypatch.setattr(here._store, "undo_stacks", read_then_save)
    info = here.open()
    monkeypatch.undo()
    assert (vote.event_id, 0) in (*info.undo, *here.changes(info.last_seq).undo)
    assert here.changes(info.last_seq).last_seq > info.last_seq
