"""How far the labelers of a project can be relied on: gold items, themselves, each other."""

from __future__ import annotations

from pydantic import Field

from app.routes.api.router import api_router
from app.routes.api.shapes import Slug, Stored
from app.rules.agreement import Distance, Pairs
from app.security import SessionDep, TokenReader
from app.services import projects, reliability

router = api_router("reliability")


class PairsOut(Stored):
    """Pairs of responses that were compared; `share` and `interval` are null for fewer than 20."""

    pairs: int = Field(examples=[120])
    share: float | None = Field(description="That agree; a tie against an order is half.", examples=[0.73])
    interval: tuple[float, float] | None = Field(description="Wilson, 95 %.", examples=[[0.64, 0.8]])


class DistanceOut(Stored):
    """Ratings that were compared."""

    ratings: int = Field(examples=[48])
    mean: float | None = Field(description="Mean absolute difference, in points of 7.", examples=[0.6])


class LabelerOut(Stored):
    """One labeler in one project."""

    user_id: int
    name: str
    group: str = Field(description="training or held_out.")
    simulated: bool
    labels: int = Field(description="Standing rankings, measuring ones left out.")
    gold_items: int = Field(description="Gold items answered.")
    gold: PairsOut
    flag_precision: float | None
    flag_recall: float | None
    rating_distance: DistanceOut = Field(description="From the accepted range.")
    repeats: int
    self_agreement: PairsOut
    self_rating_difference: DistanceOut
    shared_tasks: int
    others: PairsOut
    alpha: float | None = Field(description="The same, corrected for chance (Krippendorff's alpha, interval).")
    withdrawn: int = Field(description="Answers to measuring tasks that she took out again.")


class GoldFiguresOut(Stored):
    """How labelers did on one gold item."""

    gold_item_id: int
    comparison_id: int
    answers: int
    got_it: int = Field(description="Answers with more than half of the pairs right.")
    pairs: PairsOut
    suspect: bool = Field(description="Most people miss it: the item may be wrong.")


class ReliabilityOut(Stored):
    """All labelers and gold items of a project."""

    shared_tasks: int = Field(description="Comparisons with several labels, the latest 5,000 at most.")
    agreement: PairsOut
    alpha: float | None
    labelers: list[LabelerOut]
    gold_items: list[GoldFiguresOut]


def pairs_out(pairs: Pairs, least: int) -> PairsOut:
    told = pairs.of >= least
    return PairsOut(pairs=pairs.of, share=pairs.share if told else None, interval=pairs.interval if told else None)


def distance_out(distance: Distance) -> DistanceOut:
    return DistanceOut(ratings=distance.of, mean=distance.mean)


@router.get("/projects/{project}/reliability")
def show_reliability(session: SessionDep, user: TokenReader, project: Slug) -> ReliabilityOut:
    """Right on gold items, steady with herself, alike with others: of every labeler of the project."""
    found = reliability.project_reliability(session, projects.get_project(session, project))
    least = reliability.ENOUGH_PAIRS
    return ReliabilityOut(
        shared_tasks=found.shared,
        agreement=pairs_out(found.others, least),
        alpha=found.alpha,
        labelers=[
            LabelerOut(
                user_id=one.user.id,
                name=one.user.name,
                group=one.user.labeler_group,
                simulated=one.user.simulated,
                labels=one.labels,
                gold_items=one.gold_answers,
                gold=pairs_out(one.gold, least),
                flag_precision=one.flags.precision,
                flag_recall=one.flags.recall,
                rating_distance=distance_out(one.gold_distance),
                repeats=one.repeats,
                self_agreement=pairs_out(one.own, least),
                self_rating_difference=distance_out(one.own_distance),
                shared_tasks=one.shared,
                others=pairs_out(one.others, least),
                alpha=one.others_alpha if reliability.enough(one.others) else None,
                withdrawn=one.withdrawn,
            )
            for one in found.labelers
        ],
        gold_items=[
            GoldFiguresOut(
                gold_item_id=each.item.id,
                comparison_id=each.item.comparison_id,
                answers=each.answers,
                got_it=each.got_it,
                pairs=pairs_out(each.pairs, 1),
                suspect=each.suspect,
            )
            for each in found.gold_items
        ],
    )
