"""A bad configuration: exit 2, and a message that names file, line, key, what was got and what was expected."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.system.conftest import World

OXI = '[[device]]\nid = "OXI"\ndriver = "nonin"\nlink = "serial:///dev/ttyUSB0"\n'
ENGINE = '[[destination]]\nid = "engine"\nkind = "mllp"\nformat = "pcd01"\n'

BAD = {
    "an unknown driver": (
        '[[device]]\nid = "OXI"\ndriver = "nonnin"\nlink = "tcp://192.0.2.1:1"\n',
        (":3: device.driver:", "'nonnin'", "expected one of astm, ", "did you mean 'nonin'"),
    ),
    "an unknown profile": (
        '[[device]]\nid = "XN"\ndriver = "astm"\nprofile = "sysmex-xnn"\nlink = "tcp-listen://127.0.0.1:1"\n',
        (":4: device.profile:", "'sysmex-xnn'", "expected one of ", "did you mean 'sysmex-xn'"),
    ),
    "an analyzer without a profile": (
        '[[device]]\nid = "XN"\ndriver = "astm"\nlink = "tcp-listen://127.0.0.1:1"\n',
        ("device.profile:", "needs a profile", "sysmex-xn"),
    ),
    "an unknown driver option": (
        '[[device]]\nid = "V"\ndriver = "pb840"\nlink = "tcp://192.0.2.1:1"\n\n[device.options]\ninterval = 2\n',
        (":7: device.options.interval:", "no such option", "interval_s"),
    ),
    "a driver option of the wrong type": (
        '[[device]]\nid = "V"\ndriver = "pb840"\nlink = "tcp://192.0.2.1:1"\noptions = { interval_s = "often" }\n',
        (":5: device.options.interval_s:", "'often'", "number"),
    ),
    "an unknown kind of link": (
        '[[device]]\nid = "OXI"\ndriver = "nonin"\nlink = "tpc://192.0.2.1:1"\n',
        (":4: device.link:", "'tpc://192.0.2.1:1'", "expected one of serial://", "did you mean tcp://"),
    ),
    "a link parameter of the wrong type": (
        '[[device]]\nid = "OXI"\ndriver = "nonin"\nlink = "serial:///dev/ttyUSB0?baud=fast"\n',
        (":4: device.link:", "baud: got 'fast'", "expected a whole number"),
    ),
    "no TOML": ('[gateway]\nname = "x"\n[[device]\n', (":3:", "not TOML")),
    "an unknown key": ('[gateway]\n\ntimezon = "UTC"\n', (":3: gateway.timezon:", "no such key", "did you mean 'timezone'")),
    "a time zone that is none": (
        '[gateway]\ntimezone = "Europe/Berlinn"\n',
        (":2: gateway.timezone:", "'Europe/Berlinn'", "expected a time zone", "Europe/Berlin"),
    ),
    "a wrong type": (
        '[[device]]\nid = 3\ndriver = "nonin"\nlink = "tcp://192.0.2.1:1"\n',
        (":2: device.id:", "got 3", "expected a string"),
    ),
    "one id for two devices": (OXI + OXI, (":6: device.id:", "'OXI'", "expected an id of its own")),
    "one id for two destinations": (
        2 * (ENGINE + 'address = "localhost:2575"\n'),
        ("destination.id:", "'engine'", "expected an id of its own"),
    ),
    "a kind of destination that is none": (
        '[[destination]]\nid = "engine"\nkind = "mlp"\nformat = "pcd01"\naddress = "localhost:2575"\n',
        (":3: destination.kind:", "'mlp'", 'expected kind = "mllp"'),
    ),
    "plain MLLP over the network that nobody allowed": (
        ENGINE + 'address = "192.0.2.1:2575"\n',
        (": destination", "192.0.2.1:2575 is another machine", "plain = true"),
    ),
    "an association of a device that is not there": (
        OXI + '[[association]]\ndevice = "OXY"\npatient = { patient_id = "SYN-A" }\n',
        (": association", "'OXY'"),
    ),
}


@pytest.mark.parametrize(("text", "words"), BAD.values(), ids=BAD)
def test_a_bad_configuration_is_explained(world: World, text: str, words: tuple[str, ...]) -> None:
    world.config.write_text(text)
    done = world.run("run", "--config", str(world.config))
    assert done.returncode == 2
    said = done.stderr.decode()
    assert f"{world.config}:" in said
    assert [word for word in words if word not in said] == [], said
    assert "Traceback" not in said
    assert not world.data.exists(), "nothing was begun"


def test_every_problem_is_told_at_once(world: World) -> None:
    world.config.write_text('[gateway]\ntimezon = "UTC"\n[[device]]\nid = 3\ndriver = "nonin"\nlink = "tcp://192.0.2.1:1"\n')
    said = world.run("config", "check", "--config", str(world.config)).stderr.decode()
    assert ":2: gateway.timezon:" in said
    assert ":4: device.id:" in said


def test_a_file_that_is_not_there_is_named(world: World) -> None:
    done = world.run("run", "--config", str(world.folder / "nowhere.toml"))
    assert done.returncode == 2
    assert b"nowhere.toml: cannot be read: No such file" in done.stderr
