"""Versions as people, build scripts and git write them, for property tests."""

from hypothesis import strategies as st

_small = st.integers(0, 12)
_release = st.lists(_small, min_size=1, max_size=4).map(lambda parts: ".".join(map(str, parts)))
_core = st.builds("{}.{}.{}".format, _small, _small, _small)
_identifier = st.sampled_from(["0", "1", "2", "11", "alpha", "beta", "rc", "rc2", "rc10", "x-y"])
_identifiers = st.lists(_identifier, min_size=1, max_size=3).map(".".join)
_commit = st.sampled_from(["2257f9c", "abcdef1", "0a1b2c3d", "2257f9c0"])

#: semver.org 2.0.0, to the letter.
semantic = st.builds(
    "{}{}{}".format,
    _core,
    st.just("") | _identifiers.map("-{}".format),
    st.just("") | st.sampled_from(["+1", "+exp.sha.5114f85", "+20130313144700"]),
)
#: PEP 440, in spellings that semver.org does not know.
python = st.builds(
    "{}{}{}{}{}".format,
    st.sampled_from(["", "", "1!"]),
    _release,
    st.just("") | st.builds("{}{}".format, st.sampled_from(["a", "b", "rc"]), _small),
    st.just("") | _small.map(".post{}".format),
    st.just("") | _small.map(".dev{}".format),
)
tags = st.builds("{}{}".format, st.sampled_from(["v", "", "V"]), _release)
dates = st.builds(
    "{}{}{:02}{}{:02}".format,
    st.integers(2024, 2027),
    st.just("-"),
    st.integers(1, 12),
    st.just("-"),
    st.integers(1, 28),
) | st.builds("{}.{}.{}".format, st.integers(2024, 2027), st.integers(1, 12), st.integers(1, 28))
loose = st.builds(
    "{}{}".format, _release, st.sampled_from(["k", "_p2", "-hotfix1", "-rc10", ".RELEASE"])
)

_bases = st.one_of(tags, semantic, python, dates, loose)
described = st.builds("{}-{}-g{}".format, _bases, st.integers(0, 30), _commit)
#: Every form that has a place in the one order of plain versions.
versions = st.builds("{}{}".format, _bases | described, st.sampled_from(["", "", "", "-dirty"]))
