"""What of a token the application never sees."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.tokens.extract import TokenExtractor
from sidecar.tokens.removal import TokenRemoval
from sidecar.tokens.settings import AuthSettings, ForwardSettings, PlaceSettings, ResignSettings

PLACES = (
    PlaceSettings(header="X-Token"),
    PlaceSettings(cookie="session", scheme="Bearer"),
    PlaceSettings(query="access_token"),
)


def removal(token: str, places: tuple[PlaceSettings, ...] = PLACES) -> TokenRemoval:
    forward = ForwardSettings(token=token, resign=ResignSettings(header="X-Ours"))
    return TokenRemoval(AuthSettings(places=places, forward=forward))


def test_a_kept_token_loses_only_its_query_parameter() -> None:
    kept = removal("keep")
    assert kept.headers == ()
    assert not kept.has_cookies
    assert kept.target(b"/a?access_token=t&x=1") == b"/a?x=1"


def test_a_stripped_token_goes_from_every_place() -> None:
    stripped = removal("strip")
    assert stripped.headers == ("X-Token",)
    assert stripped.has_cookies
    assert stripped.target(b"/a?access_token=t") == b"/a"


def test_where_tokens_are_replaced_the_place_of_ours_is_closed_to_clients() -> None:
    assert removal("resign").headers == ("X-Token", "X-Ours")


@pytest.mark.parametrize(
    "target", [b"/", b"/a?", b"/a?x=%7e+1&&y", b"/access_token=t", b"*", b"/a?x?access_token=t"]
)
def test_a_target_without_a_token_stays_as_it_is(target: bytes) -> None:
    assert removal("strip").target(target) == target


def test_without_such_a_place_no_parameter_goes() -> None:
    assert not removal("strip", PLACES[:2]).has_parameters


@pytest.mark.parametrize(
    ("value", "rest"),
    [
        (b"session=t", None),
        (b'session="Bearer t"; ', None),
        (b"a=1; session=t; b=2", b"a=1; b=2"),
        (b"session=t; a=1", b"a=1"),
        (b"a=1;session=t", b"a=1"),
        (b"a=1; session=t; session=u", b"a=1"),
        (b'a="x=y" ;  b= 2', b'a="x=y" ;  b= 2'),
        (b" session = t;a=1", b"a=1"),
        (b"xsession=t; Session=u", b"xsession=t; Session=u"),
    ],
)
def test_one_cookie_goes_and_the_others_stay_byte_for_byte(
    value: bytes, rest: bytes | None
) -> None:
    assert removal("strip").cookies(value) == rest


@given(
    st.lists(
        st.sampled_from([b"a=1", b"", b' b="2"', b" session=t", b"session=Bearer u", b"c", b" =;"]),
        max_size=6,
    )
)
def test_whatever_cookies_there_are_no_token_is_left(pairs: list[bytes]) -> None:
    rest = removal("strip").cookies(b";".join(pairs))
    extractor = TokenExtractor(AuthSettings(places=PLACES[1:2]))
    assert rest is None or extractor.extract(lambda name: (rest,)) is None
