"""What a change is promised to do is what it does, in every small fleet."""

from dataclasses import dataclass, replace

from hypothesis import given
from hypothesis import strategies as st

from sidecar.fleet.change import judge_deployment, judge_rollback
from sidecar.fleet.needs import judge_needs, judge_version
from tests.fleet.deployed import Asked, Deployed, fleet

_NAMES = ("a", "b", "c", "d")
_VERSIONS = tuple(f"v{number}" for number in range(1, 6))
_requirements = st.sampled_from(
    ["any", *(f">={each}" for each in _VERSIONS), "<v4", ">=v2,<v5", "!=v3", ">=v1,!=v2"]
)


@dataclass(frozen=True)
class Model:
    """Each service's one version, and what it needs of others."""

    versions: dict[str, str]
    needs: dict[str, dict[str, str]]

    def deployed(self) -> list[Deployed]:
        return [
            Deployed(name, version, {each: self._asked(each, name) for each in self.needs[name]})
            for name, version in self.versions.items()
        ]

    def _asked(self, needed: str, user: str) -> Asked:
        version, requires = self.versions[needed], self.needs[user][needed]
        holds = judge_version(requires, version).holds
        return Asked(requires, version, needed, is_satisfied=holds is True)

    def unmet(self) -> set[tuple[str, str]]:
        """Who lacks what."""
        return {
            (each.user, each.need.service)
            for each in judge_needs(fleet(*self.deployed()))
            if not each.judgement.holds
        }

    def after(self, service: str, version: str) -> "Model":
        return replace(self, versions={**self.versions, service: version})


_models = st.builds(
    Model,
    st.fixed_dictionaries({name: st.sampled_from(_VERSIONS) for name in _NAMES}),
    st.fixed_dictionaries(
        {
            name: st.dictionaries(
                st.sampled_from([each for each in _NAMES if each != name]), _requirements
            )
            for name in _NAMES
        }
    ),
)
_changes = st.tuples(st.sampled_from(_NAMES), st.sampled_from(_VERSIONS))


@given(_models, _changes)
def test_a_rollback_is_allowed_exactly_if_nobody_lacks_the_service_after_it(
    model: Model, change: tuple[str, str]
) -> None:
    service, version = change
    answer = judge_rollback(fleet(*model.deployed()), service, version, told=[])
    lacking = {user for user, needed in model.after(*change).unmet() if needed == service}
    assert answer.is_allowed is (not lacking)
    refusing = {claim.user for claim in answer.users if claim.judgement.holds is False}
    assert refusing == lacking


@given(_models, _changes)
def test_a_deployment_is_allowed_exactly_if_nobody_lacks_anything_of_it_after_it(
    model: Model, change: tuple[str, str]
) -> None:
    answer = judge_deployment(fleet(*model.deployed()), *change)  # it needs what it needed before
    lacking = {one for one in model.after(*change).unmet() if change[0] in one}
    assert answer.is_allowed is (not lacking)


@given(_models, _changes)
def test_whoever_stands_in_the_way_has_to_go_first_and_nobody_goes_for_nothing(
    model: Model, change: tuple[str, str]
) -> None:
    answer = judge_deployment(fleet(*model.deployed()), *change)
    first = [step.service for step in answer.first]
    in_the_way = {claim.user for claim in answer.users if claim.judgement.holds is False}
    in_the_way |= {claim.needed for claim in answer.needs or () if claim.judgement.holds is False}
    assert in_the_way <= set(first)
    assert bool(first) is (answer.is_allowed is False)
