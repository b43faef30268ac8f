from __future__ import annotations

from typing import Any

from dbmirror.publish.registries.events import PushProgress

DIGEST = "sha256:" + "0" * 64


def part(layer: str, current: int, total: int) -> dict[str, Any]:
    return {"id": layer, "status": "Pushing", "progressDetail": {"current": current, "total": total}}


def test_a_push_that_ends_well_gives_the_digest_and_what_became_of_each_layer(recorder: Any) -> None:
    progress = PushProgress("push to acr", recorder)
    failure = progress.follow(
        [
            {"status": "The push refers to repository [127.0.0.1:5000/demo]"},
            {"id": "aaa", "status": "Preparing", "progressDetail": {}},
            {"id": "bbb", "status": "Preparing", "progressDetail": {}},
            part("aaa", 500, 1000),
            part("aaa", 1000, 1000),
            {"id": "aaa", "status": "Pushed", "progressDetail": {}},
            {"id": "bbb", "status": "Layer already exists", "progressDetail": {}},
            {"id": "ccc", "status": "Mounted from other/image"},
            {"status": f"v1: digest: {DIGEST} size: 528"},
            {"progressDetail": {}, "aux": {"Tag": "v1", "Digest": DIGEST, "Size": 528}},
        ]
    )
    assert failure is None
    assert progress.digest == DIGEST
    assert (progress.pushed, progress.reused) == ({"aaa"}, {"bbb", "ccc"})
    assert recorder.lines == [
        "advanced push to acr by 0: layer aaa: 0.0 of 0.0 MB",
        "advanced push to acr by 1: layer aaa pushed",
        "advanced push to acr by 1: layer bbb already there",
        "advanced push to acr by 1: layer ccc already there",
    ]


def test_a_failure_in_the_middle_is_found_at_the_end(recorder: Any) -> None:
    events = iter([{"errorDetail": {"message": "denied: no"}, "error": "denied: no"}, {"status": "still talking"}])
    assert PushProgress("push", recorder).follow(events) == "denied: no"
    assert next(events, None) is None


def test_a_failure_without_a_detail_is_one_too(recorder: Any) -> None:
    assert PushProgress("push", recorder).follow([{"error": "gone"}]) == "gone"


def test_a_layer_is_told_of_at_most_ten_times_on_its_way(recorder: Any) -> None:
    PushProgress("push", recorder).follow(part("aaa", current, 1000) for current in range(1001))
    assert 5 <= len(recorder.lines) <= 10


def test_a_layer_counts_once_over_several_attempts(recorder: Any) -> None:
    progress = PushProgress("push", recorder)
    progress.follow([{"id": "aaa", "status": "Pushed"}, {"error": "EOF"}])
    progress.follow([{"id": "aaa", "status": "Layer already exists"}, {"id": "bbb", "status": "Pushed"}])
    assert progress.pushed == {"aaa", "bbb"}
    assert [line for line in recorder.lines if "by 1" in line] == [
        "advanced push by 1: layer aaa pushed",
        "advanced push by 1: layer bbb pushed",
    ]


def test_the_engine_s_own_retries_are_told_once_for_each_of_them(recorder: Any) -> None:
    countdown = [{"id": "aaa", "status": f"Retrying in {seconds} seconds"} for seconds in (5, 4, 3, 2, 1)]
    PushProgress("push", recorder).follow([*countdown, part("aaa", 500, 1000), *countdown])
    assert [line for line in recorder.lines if line.startswith("warn")] == [
        "warn push: layer aaa failed; the Docker Engine is retrying in 5 seconds."
    ] * 2


def test_lines_of_another_shape_do_no_harm(recorder: Any) -> None:
    odd: list[dict[str, Any]] = [{}, {"id": 3}, {"aux": []}, {"id": "a", "status": None}, part("a", 1, 0)]
    assert PushProgress("push", recorder).follow(odd) is None
    assert recorder.lines == []
