"""What waits between the thread that receives and the one that works."""

from threading import Thread

from lmanet_ros.node.inference.mailbox import MOST_WAITING, Mailbox


def test_the_newest_item_wins():
    mailbox: Mailbox[str] = Mailbox()
    assert mailbox.put("old") == []
    assert mailbox.put("new") == ["old"]
    assert mailbox.take() == ["new"]
    assert mailbox.put("next") == []


def test_with_room_a_burst_waits_in_order():
    mailbox: Mailbox[int] = Mailbox()
    assert [mailbox.put(item, room=3) for item in range(4)] == [[], [], [], [0]]
    assert [mailbox.take(), mailbox.take(), mailbox.take()] == [[1], [2], [3]]


def test_with_less_room_than_before_as_many_give_way_as_it_takes():
    mailbox: Mailbox[int] = Mailbox()
    for item in range(3):
        mailbox.put(item, room=3)
    assert mailbox.put(3, room=2) == [0, 1]
    assert mailbox.clear() == [2, 3]


def test_however_much_room_there_is_a_sender_gets_little_of_it():
    mailbox: Mailbox[int] = Mailbox()
    gave_way = [mailbox.put(item, room=1000) for item in range(MOST_WAITING + 1)]
    assert gave_way == [[]] * MOST_WAITING + [[0]]


def test_senders_share_the_room_and_lose_none_but_their_own():
    mailbox: Mailbox[str] = Mailbox()
    for item in ("a1", "a2", "a3"):
        mailbox.put(item, sender="a", room=3)
    assert mailbox.put("b1", sender="b", room=3) == [], "the newest always waits"
    assert mailbox.put("b2", sender="b", room=3) == ["b1"]
    assert mailbox.put("a4", sender="a", room=3) == ["a1", "a2"]
    assert [mailbox.take(limit=2), mailbox.take(limit=2)] == [["a3", "b2"], ["a4"]]


def test_senders_take_turns():
    mailbox: Mailbox[str] = Mailbox()
    mailbox.put("a1", sender="a")
    mailbox.put("b1", sender="b")
    assert mailbox.take() == ["a1"]
    mailbox.put("a2", sender="a")
    assert mailbox.put("b2", sender="b") == ["b1"]
    assert mailbox.take() == ["b2"], "a newer item must not cost its sender the turn"
    mailbox.put("b3", sender="b")
    assert [mailbox.take(), mailbox.take()] == [["a2"], ["b3"]]


def test_who_sends_just_before_another_does_not_get_its_turn():
    mailbox: Mailbox[str] = Mailbox()
    mailbox.put("b", sender="b")
    assert mailbox.take() == ["b"]
    mailbox.put("a", sender="a")
    assert mailbox.take() == ["a"]
    mailbox.put("a", sender="a")
    mailbox.put("b", sender="b")
    assert mailbox.take() == ["b"]


def test_items_of_several_senders_can_be_taken_together():
    mailbox: Mailbox[str] = Mailbox()
    for sender in "abc":
        mailbox.put(sender, sender=sender)
    assert mailbox.take(limit=2) == ["a", "b"]
    mailbox.put("a2", sender="a")
    assert mailbox.take(limit=3) == ["c", "a2"]


def test_clearing_takes_out_all_that_waits():
    mailbox: Mailbox[str] = Mailbox()
    mailbox.put("a", sender="a")
    mailbox.put("b", sender="b")
    assert mailbox.clear() == ["a", "b"]
    assert mailbox.clear() == []


def taken_by_a_waiting_thread(mailbox: Mailbox[str], act: object) -> list[list[str]]:
    taken: list[list[str]] = []
    thread = Thread(target=lambda: taken.append(mailbox.take()))
    thread.start()
    act()
    thread.join(60)
    return taken


def test_who_waits_gets_the_item_that_comes():
    mailbox: Mailbox[str] = Mailbox()
    assert taken_by_a_waiting_thread(mailbox, lambda: mailbox.put("item")) == [["item"]]


def test_closing_wakes_who_waits():
    mailbox: Mailbox[str] = Mailbox()
    assert taken_by_a_waiting_thread(mailbox, mailbox.close) == [[]]


def test_a_closed_mailbox_gives_nothing_out():
    mailbox: Mailbox[str] = Mailbox()
    mailbox.put("item")
    mailbox.close()
    assert mailbox.take() == []
