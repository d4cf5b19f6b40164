"""Which messages belong together."""

from lmanet_ros.cloud.matching import MAX_KEPT, StampMatcher


class Matcher:
    """With what it could not match."""

    def __init__(self, slop: int = 5, patience: float = 2.0) -> None:
        self.unmatched: list[tuple[int, str]] = []
        self.matcher = StampMatcher[str, str](
            slop, patience, lambda side, item: self.unmatched.append((side, item))
        )


def test_labels_find_the_nearest_range_whichever_comes_first():
    matcher = Matcher().matcher
    assert matcher.add_second(100, "far", now=0) is None
    assert matcher.add_second(103, "near", now=0) is None
    assert matcher.add_first(104, "late labels", now=0) == ("late labels", "near")
    assert matcher.add_first(200, "early labels", now=0) is None
    assert matcher.add_second(205, "range", now=0) == ("early labels", "range")
    assert matcher.add_first(106, "others", now=0) is None, "beyond the slop, and used once"


def test_what_finds_no_partner_in_time_is_told():
    told = Matcher()
    told.matcher.add_second(100, "range", now=0.0)
    told.matcher.add_first(500, "labels", now=1.0)
    told.matcher.expire(now=2.5)
    assert told.unmatched == [(1, "range")]
    told.matcher.expire(now=9)
    assert told.unmatched == [(1, "range"), (0, "labels")]
    assert told.matcher.add_first(100, "too late", now=9) is None


def test_no_more_is_kept_than_a_number_of_messages():
    told = Matcher(patience=1e9)
    for number in range(MAX_KEPT + 10):
        told.matcher.add_second(100 * number, str(number), now=0)
    assert len(told.unmatched) >= 9
    assert told.unmatched[0] == (1, "0")
