"""Two projects in one hub: people choose on landing and have roles in each; nothing leaks from one to the other."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import httpx
import pytest
from hub_fixtures import fetch
from intruder import session_process
from serving import make_project, wait_until
from typer.testing import Result

from pipeline.errors import ProjectError
from pipeline.hub.accounts import Role, read_accounts
from pipeline.hub.projects import names_by_project
from pipeline.project.folder import Project
from pipeline.store import open_project_store

pytestmark = [pytest.mark.hub, pytest.mark.slow, pytest.mark.xdist_group("hub")]

FISH = "user/{name}/fish/voila/render/2_annotate.ipynb"


def enter_fish(person: Any) -> None:
    """Start somebody's session in the second project, and wait until it answers."""
    person.client.get(f"hub/spawn/{person.name}/fish")
    api = f"user/{person.name}/fish/api"
    wait_until(lambda: person.client.get(api).status_code == 200, 180, lambda: "the session did not start")


@pytest.fixture(scope="module")
def uma(hub_benchmark: ModuleType, running: SimpleNamespace) -> Any:
    """Return Uma: a reviewer in the first project, an annotator in the second, where she has voted."""
    person = hub_benchmark.Person(running.hub, "uma")
    landed = person.log_in()
    assert str(landed.url) == f"{running.hub.url}hub/home"
    assert "Your projects" in landed.text
    base = httpx.URL(running.hub.url).path
    assert f'href="{base}services/mlf/"' in landed.text
    assert f'href="{base}hub/spawn/uma/fish"' in landed.text
    enter_fish(person)
    return person


def test_whoever_has_a_part_in_two_projects_chooses_and_votes_reach_the_chosen_one(
    hub_benchmark: ModuleType, running: SimpleNamespace, uma: Any
) -> None:
    async def vote() -> str:
        link = hub_benchmark.WidgetLink(uma.client, FISH.format(name="uma"))
        await link.open()
        info = await link.request("open")
        assert info["annotator"] == "uma"
        hub = f"{httpx.URL(running.hub.url).path}hub/"
        assert info["hub"] == {"log_out": f"{hub}logout", "projects": f"{hub}home"}  # back to where one chooses
        assert info["progress"]["n_tasks"] == 4
        task = (await link.request("tasks", positions=[0]))[0]
        event = hub_benchmark.vote_message(info, task, task["proposals"][0]["class_index"])
        (result,) = await link.request("save", events=[event])
        assert result["seq"] is not None
        link.close()
        return str(event["event_id"])

    event_id = asyncio.run(vote())
    kept = []
    for project in (running.project, running.fish):
        with open_project_store(project) as store:
            kept.append(event_id in {event.event_id for event in store.iter_events()})
    assert kept == [False, True]


def test_a_reviewer_in_one_project_reads_no_report_of_the_other(running: SimpleNamespace, uma: Any) -> None:
    assert uma.client.get("services/mlf/reports").status_code == 200
    refused = uma.client.get("services/mlf-fish/reports")
    assert refused.status_code == 403
    assert "only reviewers or researchers" in refused.text


def test_a_sessions_token_reaches_the_service_of_its_project_alone(
    hub_benchmark: ModuleType, running: SimpleNamespace, uma: Any
) -> None:
    """Uma may read the first project's reports; her session in the second may not, whatever runs in it."""
    eve = hub_benchmark.Person(running.hub, "eve")
    eve.log_in()
    enter_fish(eve)
    asked = {}
    for name in ("uma", "eve"):
        token = session_process(running.hub, name).environ()["JUPYTERHUB_API_TOKEN"]
        for service in ("mlf", "mlf-fish"):
            url = f"{running.hub.url}services/{service}/api/me"
            asked[name, service] = fetch(url, headers={"Authorization": f"token {token}"}).status_code
    assert asked == {("uma", "mlf"): 403, ("uma", "mlf-fish"): 200, ("eve", "mlf"): 403, ("eve", "mlf-fish"): 200}


def test_nobody_gets_a_session_in_a_project_in_which_they_have_no_part(
    hub_benchmark: ModuleType, running: SimpleNamespace
) -> None:
    for name, wanted in (("eve", "hub/spawn/eve"), ("cleo", "hub/spawn/cleo/fish")):
        person = hub_benchmark.Person(running.hub, name)
        person.log_in()
        assert "You have no part in this project" in person.client.get(wanted).text
    assert person.client.get("hub/spawn/cleo/cow").status_code in {400, 403}
    eve = hub_benchmark.Person(running.hub, "eve")
    eve.log_in()
    enter_fish(eve)
    eve.client.get("hub/logout")
    assert "fish/voila/render/2_annotate.ipynb" in str(eve.log_in().url), "one project: straight to its images"
    assert eve.client.get("services/mlf/reports").status_code in {401, 403}


def test_names_are_given_for_all_projects_or_for_one() -> None:
    assert names_by_project("tom, fish:ada,birds:Änne", ["birds", "fish"]) == [["tom", "Änne"], ["tom", "ada"]]
    with pytest.raises(ProjectError, match="no project 'cow'; it has birds, fish"):
        names_by_project("cow:ada", ["birds", "fish"])


def test_roles_are_kept_by_project_and_a_name_never_means_another_project(
    start: Callable[..., Result], tmp_path: Path
) -> None:
    def made(folder: str) -> Project:
        project = make_project(tmp_path / folder)
        project.root.rename(tmp_path / folder / folder)
        return Project(tmp_path / folder / folder, project.settings)

    birds, fish, again = made("birds"), made("fish"), made("Fish")
    state = tmp_path / "hub"
    told = start(birds, state, str(fish.root), "--share-account", "--reviewers", "fish:ann", "--researchers", "maria")
    assert told.exit_code == 0, told.output
    assert "(birds: annotators; fish: annotators, reviewers)" in " ".join(told.output.split())
    ann = read_accounts(state / "private" / "accounts.json")["ann"]
    assert ann.roles == (Role.ANNOTATORS,)
    assert ann.further == {"fish": (Role.ANNOTATORS, Role.REVIEWERS)}
    alike = start(birds, state, str(fish.root), str(again.root), "--share-account")
    assert alike.exit_code == 2
    assert "two are called 'fish'" in " ".join(alike.output.split())
    for first, others in ((birds, [again]), (fish, [birds])):
        other = start(first, state, *(str(each.root) for each in others), "--share-account")
        assert other.exit_code == 2
        assert "this hub knows another project" in " ".join(other.output.split())
