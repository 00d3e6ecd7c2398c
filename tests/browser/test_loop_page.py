"""The pages of admins in a real browser: the loop as it goes, a job's curves, levers, imports, downloads."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.models import Demonstration, Job, JobEvent, Project, Round, User
from app.services import demonstrations, jobs, label_schemas
from tests.browser.conftest import OpenContext, Watch
from tests.seed import make_project, make_user

SignIn = Callable[[Page, User], None]


@pytest.fixture
def admin(session: Session) -> User:
    return make_user(session, "ada", "admin")


@pytest.fixture
def project(session: Session, tmp_path: Path) -> Project:
    project = make_project(session, tmp_path / "base", name="Household helper")
    session.commit()
    return project


def run_job(session: Session, project: Project, steps: int) -> Job:
    round_ = session.scalars(select(Round).where(Round.project_id == project.id)).one()
    round_.phase = "sft"
    job = jobs.create_job(session, project.id, "sft", {"parent": 1}, round_id=round_.id)
    job.state, job.started_at, job.owner, job.epoch, job.attempts = "running", func.now(), "worker-1", 1, 1
    session.flush()
    report(session, job, range(1, steps + 1))
    return job


def report(session: Session, job: Job, steps: range) -> None:
    for step in steps:
        payload = {"step": step, "of": 100, "phase": "sft", "metrics": {"loss": 3 / step}}
        session.add(JobEvent(job_id=job.id, seq=step, payload=payload))
        job.progress = payload
    session.commit()


def test_the_loop_shows_where_it_is_and_what_is_missing(
    page: Page, session: Session, sign_in: SignIn, admin: User, project: Project
) -> None:
    sign_in(page, admin)
    page.goto(f"/projects/{project.slug}")
    expect(page.get_by_role("heading", level=1)).to_contain_text("People are writing demonstrations.")
    expect(page.locator(".gates")).to_contain_text("0 of 100")
    expect(page.get_by_role("link", name=re.compile("^Demonstrations .*under way$"))).to_be_visible()
    expect(page.locator(".levers")).to_contain_text("There is no demonstration to train on yet.")
    page.get_by_role("button", name="Pause the loop").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("The loop is paused")
    page.get_by_role("button", name="Let the loop go on").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("People are writing")


def test_an_admin_starts_training_on_what_there_is(
    page: Page, session: Session, sign_in: SignIn, admin: User, project: Project
) -> None:
    demonstrations.import_demonstrations(session, project, [b'{"prompt": "Who bakes?", "response": "The baker."}'])
    session.commit()
    sign_in(page, admin)
    page.goto(f"/projects/{project.slug}")
    page.get_by_role("button", name="Start training now").click()
    page.wait_for_url("**/projects/household-helper")
    session.expire_all()
    assert session.scalars(select(Round)).one().launch_requested_at is not None


def test_a_running_job_is_followed_live_and_can_be_cancelled(
    page: Page, session: Session, sign_in: SignIn, admin: User, project: Project
) -> None:
    job = run_job(session, project, 3)
    sign_in(page, admin)
    page.goto(f"/projects/{project.slug}")
    expect(page.locator("[data-line]")).to_contain_text("step 3 of 100")
    expect(page.locator("[data-metric=loss] canvas")).to_be_visible()
    report(session, job, range(4, 41))
    expect(page.locator("[data-line]")).to_contain_text("step 40 of 100", timeout=30_000)
    expect(page.locator("[data-metric=loss] b")).to_have_text("0.075")
    page.get_by_role("link", name="Open").click()
    expect(page.get_by_role("heading", name=f"SFT, job {job.id}")).to_be_visible()
    expect(page.locator("[data-metric=loss] canvas")).to_be_visible()
    page.evaluate("window.confirm = () => true")
    page.get_by_role("button", name="Cancel the job").click()
    expect(page.locator("main")).to_contain_text("being cancelled")
    session.expire_all()
    assert session.get_one(Job, job.id).cancel_requested


def test_without_scripts_the_job_page_shows_numbers_and_curves(
    open_context: OpenContext, session: Session, sign_in: SignIn, admin: User, project: Project
) -> None:
    page, _ = open_context(scripts=False)
    job = run_job(session, project, 20)
    sign_in(page, admin)
    page.goto(f"/jobs/{job.id}")
    expect(page.locator("[data-line]")).to_contain_text("step 20 of 100")
    expect(page.get_by_role("img", name="Loss from step 1 to 20")).to_be_visible()


def test_the_settings_of_the_chosen_algorithm_alone_are_shown_also_without_scripts(
    open_context: OpenContext, session: Session, sign_in: SignIn, admin: User, project: Project
) -> None:
    page, watch = open_context(scripts=False)
    watch.allow("422")
    sign_in(page, admin)
    page.goto(f"/projects/{project.slug}/settings")
    beta, rate = page.locator("[name='dpo.beta']"), page.locator("[name='ppo.lr']")
    expect(rate).to_be_visible()
    expect(beta).to_be_hidden()
    rate.fill("fast")
    page.get_by_role("radio", name="DPO").check()
    expect(beta).to_be_visible()
    expect(rate).to_be_hidden()
    beta.fill("0.3")
    page.get_by_role("button", name="Save").click()
    expect(rate).to_be_visible()  # what is wrong is not hidden
    rate.fill("")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status")).to_contain_text("Saved.")
    session.expire_all()
    assert (project.algorithm, project.recipe) == ("dpo", {"dpo": {"beta": 0.3}})


def test_an_admin_looks_at_the_cost_and_chooses_for_one_round(
    page: Page, session: Session, sign_in: SignIn, admin: User, project: Project, tiny_model: Path
) -> None:
    demonstrations.import_demonstrations(session, project, [b'{"prompt": "Who bakes?", "response": "The baker."}'])
    session.commit()
    sign_in(page, admin)
    page.goto(f"/projects/{project.slug}")
    page.get_by_role("link", name="Cost and algorithm").click()
    expect(page.locator("main")).to_contain_text("Not known: the sizes of the model cannot be read on this machine.")
    project.base_model = str(tiny_model)
    session.commit()
    page.reload()
    expect(page.locator("tbody tr")).to_have_count(9)
    expect(page.locator("tbody tr").first).to_contain_text("MB")
    page.get_by_role("radio", name="GRPO").check()
    page.get_by_role("button", name="Start training now").click()
    expect(page.get_by_role("link", name="GRPO")).to_be_visible()
    session.expire_all()
    assert session.scalars(select(Round)).one().algorithm == "grpo"


def test_prompts_are_imported_whole_or_refused_line_by_line(
    page: Page, watch: Watch, session: Session, sign_in: SignIn, admin: User, project: Project, tmp_path: Path
) -> None:
    watch.allow("422")
    sign_in(page, admin)
    page.goto(f"/projects/{project.slug}/prompts")
    bad, good = tmp_path / "bad.jsonl", tmp_path / "good.jsonl"
    bad.write_text('{"prompt": "Why?"}\n{"prompt": 7}\nno json\n')
    good.write_text('{"prompt": "Why?"}\n{"messages": [{"role": "user", "content": "Who?"}], "use_case": "open_qa"}\n')
    page.locator("#file").set_input_files(bad)
    page.get_by_role("button", name="Upload").click()
    expect(page.get_by_role("alert")).to_contain_text("Line 2:")
    expect(page.get_by_role("alert")).to_contain_text("Line 3:")
    expect(page.locator("main")).to_contain_text("No prompts yet.")
    page.locator("#file").set_input_files(good)
    page.get_by_role("button", name="Upload").click()
    expect(page.get_by_role("status")).to_contain_text("2 new prompts")


def test_pretraining_text_is_imported_looked_at_and_deleted_by_keyboard(
    page: Page, session: Session, sign_in: SignIn, admin: User, project: Project, tmp_path: Path
) -> None:
    sign_in(page, admin)
    page.goto(f"/projects/{project.slug}/data")
    page.get_by_role("link", name="what PPO-ptx mixes in").press("Enter")
    for name, text, button in (("a.txt", "Old.", "Upload"), ("b.txt", "New\n\ntexts.", "Add to the texts")):
        (tmp_path / name).write_text(text)
        page.get_by_label("A file of texts, .txt or .jsonl").set_input_files(tmp_path / name)
        page.get_by_role("button", name=button).press("Enter")
    expect(page.get_by_role("status")).to_contain_text("Stored as version 2: 3 texts.")
    expect(page.locator("tbody").first).to_contain_text("texts.")
    page.get_by_text("Delete", exact=True).press("Enter")
    page.get_by_role("button", name="Delete it").press("Enter")
    expect(page.get_by_role("status")).to_contain_text("Deleted.")
    expect(page.get_by_role("button", name="Upload")).to_be_visible()


def test_demonstrations_are_downloaded_and_lead_to_their_lineage(
    page: Page, session: Session, sign_in: SignIn, admin: User, project: Project
) -> None:
    demonstrations.import_demonstrations(session, project, [b'{"prompt": "Who bakes?", "response": "The baker."}'])
    session.commit()
    sign_in(page, admin)
    page.goto(f"/projects/{project.slug}/data")
    with page.expect_download() as started:
        page.get_by_role("link", name="TRL prompt / completion").click()
    assert started.value.suggested_filename.startswith("household-helper-demonstrations-trl-")
    assert "The baker." in Path(started.value.path()).read_text()
    page.get_by_role("link", name="Demonstrations", exact=True).click()
    page.get_by_role("link", name="demonstration 1").click()
    expect(page.locator("main")).to_contain_text("No training has read it yet.")
    assert session.scalar(select(func.count()).select_from(Demonstration)) == 1


def test_a_project_is_made_and_changed(
    page: Page, watch: Watch, session: Session, sign_in: SignIn, admin: User, tmp_path: Path, project: Project
) -> None:
    watch.allow("422")
    sign_in(page, admin)
    page.goto("/projects/new")
    page.get_by_label("Name", exact=True).fill("Garden")
    page.get_by_label("Short name").fill("garden")
    page.get_by_label("Base model").fill(str(tmp_path / "nowhere"))
    page.get_by_role("button", name="Make the project").click()
    expect(page.get_by_label("Base model")).to_have_attribute("aria-invalid", "true")
    assert page.get_by_label("Name", exact=True).input_value() == "Garden"
    page.get_by_label("Base model").fill(project.base_model)
    page.get_by_label("Responses to a prompt").fill("7")
    page.get_by_role("button", name="Make the project").click()
    page.wait_for_url("**/projects/garden")
    page.goto("/projects/garden/settings")
    page.get_by_label("Labelers a task").fill("3")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status")).to_contain_text("Saved.")
    page.get_by_role("link", name="guidelines").click()
    page.get_by_label("What labelers are asked to do").fill("Be *kind*.")
    page.get_by_role("button", name="Publish version 2").click()
    expect(page.locator(".reading em")).to_have_text("kind")
    session.expire_all()
    made = session.scalars(select(Project).where(Project.slug == "garden")).one()
    assert (made.responses_per_prompt, made.overlap) == (7, 3)
    first = label_schemas.current_schema(session, made.id)
    assert first.fields["response_flags"][1] == {"key": "hallucination", "label": "Hallucination"}
