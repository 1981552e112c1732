"""A desktop's notification service on the session bus. Each call is printed as a line of JSON; standard input takes
orders, a line each: `refuse`, `hang`, `serve`, `no-actions`, `invoke ID ACTION`, `close ID`."""

import json
import os
import sys

import dbus
import dbus.service
from dbus.mainloop.glib import DBusGMainLoop
from gi.repository import GLib

NAME = "org.freedesktop.Notifications"


def say(**line):
    print(json.dumps(line), flush=True)


class Service(dbus.service.Object):
    mode = "serve"
    actions = True
    last = 0

    @dbus.service.method(NAME, in_signature="susssasa{sv}i", out_signature="u", async_callbacks=("done", "failed"))
    def Notify(self, app, replaces, icon, summary, body, actions, hints, timeout, done, failed):
        if self.mode == "serve":
            self.last = replaces or self.last + 1
            done(self.last)
        elif self.mode == "refuse":
            failed(dbus.DBusException("too many notifications", name=NAME + ".Error.ExcessNotificationGeneration"))
        say(
            call="Notify",
            id=self.last,
            app=app,
            replaces=replaces,
            summary=summary,
            body=body,
            actions=actions,
            urgency=int(hints.get("urgency", 1)),
            transient=bool(hints.get("transient", False)),
        )

    @dbus.service.method(NAME, in_signature="u")
    def CloseNotification(self, ident):
        say(call="CloseNotification", id=ident)
        self.NotificationClosed(ident, 3)

    @dbus.service.method(NAME, out_signature="as")
    def GetCapabilities(self):
        return ["body", "body-markup"] + (["actions"] if self.actions else [])

    @dbus.service.method(NAME, out_signature="ssss")
    def GetServerInformation(self):
        return ("test", "test", "1", "1.2")

    @dbus.service.signal(NAME, signature="us")
    def ActionInvoked(self, ident, action):
        pass

    @dbus.service.signal(NAME, signature="uu")
    def NotificationClosed(self, ident, reason):
        pass

    def order(self, line):
        word, *rest = line.split()
        if word == "invoke":
            self.ActionInvoked(dbus.UInt32(int(rest[0])), rest[1])
        elif word == "close":
            self.NotificationClosed(dbus.UInt32(int(rest[0])), dbus.UInt32(2))
        elif word == "no-actions":
            self.actions = False
        else:
            self.mode = word
        say(order=line)


DBusGMainLoop(set_as_default=True)
bus = dbus.SessionBus()
name = dbus.service.BusName(NAME, bus)
service = Service(bus, "/org/freedesktop/Notifications")
loop = GLib.MainLoop()


def on_input(_source, _condition):
    line = sys.stdin.readline()
    if line:
        service.order(line.strip())
    else:
        loop.quit()
    return bool(line)


GLib.io_add_watch(0, GLib.PRIORITY_DEFAULT, GLib.IO_IN | GLib.IO_HUP, on_input)
say(bus=os.environ["DBUS_SESSION_BUS_ADDRESS"], pid=os.getpid())
loop.run()
