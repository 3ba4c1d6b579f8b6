"""The last subjects of a key are remembered, few of them, and shown as digests unless asked for."""

from hashlib import sha256

from sidecar.rotation.subjects import Subjects


def test_the_last_subjects_come_first_and_the_oldest_is_forgotten() -> None:
    subjects = Subjects(bound=2)
    for second, name in enumerate(["ann", "bob", "ann", "cid"]):
        subjects.note("a", {"sub": name}, float(second))
    assert [(b.subject, b.last_used_at) for b in subjects.of("a", show=True)] == [
        ("cid", 3.0),
        ("ann", 2.0),
    ]


def test_a_subject_is_shown_as_the_start_of_its_digest() -> None:
    subjects = Subjects("username")
    subjects.note("a", {"username": "ann", "sub": "17"}, 1.0)
    shown = subjects.of("a", show=False)[0].subject
    assert shown == sha256(b"ann").hexdigest()[:16]


def test_a_claim_that_is_no_text_is_no_subject() -> None:
    subjects = Subjects()
    for value in (None, 17, ["ann"], {"name": "ann"}):
        subjects.note("a", {"sub": value}, 1.0)
    subjects.note("a", {}, 1.0)
    assert subjects.of("a", show=True) == ()


def test_names_and_keys_are_bounded_whatever_tokens_say() -> None:
    subjects = Subjects()
    for number in range(200):
        subjects.note(f"key-{number}", {"sub": "x" * 10_000}, 1.0)
    assert subjects.of("key-0", show=True) == ()
    assert len(subjects.of("key-199", show=True)[0].subject) == 128
    assert subjects.of("key-199", show=False)


def test_a_name_that_no_encoding_holds_has_a_digest() -> None:
    subjects = Subjects()
    subjects.note("a", {"sub": "\ud800"}, 1.0)
    assert len(subjects.of("a", show=False)[0].subject) == 16
