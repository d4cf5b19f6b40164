"""The slot between the thread that receives and the one that works."""

from threading import Thread

from lmanet_ros.node.inference.mailbox import Mailbox


def test_the_newest_item_wins():
    mailbox: Mailbox[str] = Mailbox()
    assert mailbox.put("old") is False
    assert mailbox.put("new") is True
    assert mailbox.take() == ["new"]
    assert mailbox.put("next") is False


def test_senders_have_a_slot_each_and_take_turns():
    mailbox: Mailbox[str] = Mailbox()
    mailbox.put("a1", sender="a")
    mailbox.put("b1", sender="b")
    assert mailbox.take() == ["a1"]
    mailbox.put("a2", sender="a")
    assert mailbox.put("b2", sender="b") is True
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
    thread.join(10)
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
