"""Owns the other fault of pydevd that we mend: a thread that is late to leave a stop speaks for the stop that has begun
meanwhile. The editor is told `continued` while the worker is stopped, and its next `continue` gets no answer. pydevd compares
the numbers of the last stop and of the last resume (`AbstractSingleNotificationBehavior.on_thread_resume`, debugpy 1.8.22), but
not of which stop the thread is that goes on. Runs inside the worker."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict


def mend(py_db: "Any") -> "Callable[[], None]":
    """A thread of an earlier stop goes on in silence while one of the last stop is there. Returns what undoes it."""
    notifier = py_db._threads_suspended_single_notification
    usual: Any = notifier.__class__
    stop_of: Dict[str, int] = {}

    class Mended(usual):
        __slots__ = ()

        def on_thread_suspend(self, thread_id: str, *args: "Any", **kwargs: "Any") -> None:
            # Counted up before any thread is told to stop.
            stop_of[thread_id] = self._suspend_time_request
            usual.on_thread_suspend(self, thread_id, *args, **kwargs)

        def on_thread_resume(self, thread_id: str, *args: "Any", **kwargs: "Any") -> None:
            try:
                usual.on_thread_resume(self, thread_id, *args, **kwargs)
            finally:
                stop_of.pop(thread_id, None)

        def send_resume_notification(self, thread_id: str) -> None:
            """Called under pydevd's lock: nobody stops or goes on meanwhile. The thread is not among the stopped any more."""
            last: int = self._last_suspend_notification_time
            is_late = stop_of.get(thread_id, last) < last
            if is_late and any(stop_of.get(other, last) >= last for other in self._suspended_thread_id_to_thread):
                # The end of the last stop is still to be told.
                self._last_resume_notification_time = last - 1
            else:
                usual.send_resume_notification(self, thread_id)

    notifier.__class__ = Mended

    def put_back() -> None:
        notifier.__class__ = usual

    return put_back
