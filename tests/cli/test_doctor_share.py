"""What the doctor writes to be posted: readable, whole, and nobody's secret, name or address in it."""

import json
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from probe.brokers import find_broker
from probe.catalogue import entries
from probe.cli.nameless import Net
from probe.cli.share import HEADING, check_place, shared, write
from probe.diagnose.case import Case, Host, Way
from probe.doctor.examine import Examination, Patient
from probe.drivers.proxies import ChosenProxy
from probe.model.endpoint import Account, Endpoint
from probe.model.errors import ConfigError
from probe.model.proxy import Proxy, Scheme
from tests.cli.test_doctor_report import REFUSED, examined


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("mail ann.other+x@mail.example.org now", "mail <e-mail> now"),
        ("q=ann%40mail.example", "q=<e-mail>"),
        ("wss://host.example/ws?token=abc&EIO=4 failed", "wss://host.example/ws?…&EIO=4 failed"),
        ("moved to /login?next=%2F", "moved to /login?…"),
        ("is it so? yes", "is it so? yes"),
        ('42["auth",{"uid":12345,"isDemo":1}]', '42["auth",{"uid":<user>,"isDemo":1}]'),
        ('{\\"user_id\\":\\"a b\\",\\"x\\":1}', '{\\"user_id\\":<user>,\\"x\\":1}'),
        ("key Zm9vYmFyYmF6cXV4MTIzNDU2Nzg5MA==", "key <32 signs>"),
        ("id 550e8400-e29b-41d4-a716-446655440000", "id <36 signs>"),
        ("abcdefghijklmnopqrstuvwxyz", "<26 signs>"),
        ("TLS_AES_256_GCM_SHA384", "TLS_AES_256_GCM_SHA384"),
        ("at /srv/ann/ssid.txt on anns-laptop of Ann, not annual", "at ~/ssid.txt on <this machine> of <user>, not annual"),
        ("from 198.51.100.7:443, you are 9.8.7.6.", "from 198.51.100.7:443, you are 198.51.100.1."),
        ("from 2001:db8::7, you are 2a00:1450::5", "from 2001:db8::7, you are 2001:db8:2::1"),
        ("asked 192.168.1.1, 127.0.0.1 and ::1", "asked 192.0.2.1, 127.0.0.1 and ::1"),
        ("at 23:42:27.123 with OpenSSL 3.0.13", "at 23:42:27.123 with OpenSSL 3.0.13"),
    ],
)  # fmt: skip
def test_what_leads_to_somebody_is_taken_out_and_the_rest_is_left(text: str, left: str) -> None:
    net = Net(
        {"198.51.100.7", "2001:db8::7"},
        [("/srv/ann", "~"), ("ann", "<user>"), ("anns-laptop", "<this machine>")],
    )
    assert net(text) == left


def test_the_same_address_has_the_same_stand_in_and_another_one_another() -> None:
    net = Net((), ())
    text = "10.1.1.1 and 10.1.1.2, 8.8.8.8 and 10.1.1.1, fd00::5 and 2a00:1450::5, 198.18.0.7, 100.64.0.1 and 0.0.0.0"
    left = "192.0.2.1 and 192.0.2.2, 198.51.100.3 and 192.0.2.1, 2001:db8:1::4 and 2001:db8:2::5, 198.18.0.7, 100.64.0.1 and 0.0.0.0"
    assert net(text) == left
    assert net(left) == left


def test_no_word_of_the_catalogue_is_taken_for_a_secret() -> None:
    net = Net((), ())
    for code, entry in entries().items():
        assert net(code) == code
        assert [each for each in entry.advice if net(each) != each and "?" not in each] == []


def examination() -> Examination:
    seen = replace(REFUSED, evidence=("203.0.113.9 was told planted0secret0token0", "````"))
    case = Case(
        host=Host(nameservers=("192.168.1.1",)),
        ways=(Way(address="198.51.100.7", port=443, family=4, seconds=0.1),),
    )
    patient = Patient(name="anns-own-account", broker=None, endpoint=None)
    return replace(examined(seen), case=case, patient=patient)


def test_the_file_can_be_read_by_people_and_by_programs() -> None:
    text = shared(examination(), str)
    assert text.startswith(f"{HEADING}\n\ntradeprobe ")
    assert "FAILED  Likely: nothing listens on that port (tcp.refused)." in text
    assert text.count("````") == 4  # what it consists of, and no more
    told = json.loads(text.partition("````json\n")[2].partition("\n````")[0])
    assert (told["kind"], told["verdicts"][0]["code"]) == ("doctor", "tcp.refused")
    assert told["host"]["nameservers"] == ["192.0.2.2"]
    for private in ("203.0.113.9", "planted0", "anns-own-account", "192.168.1.1"):
        assert private not in text


@pytest.mark.parametrize(
    ("broker", "url", "is_ours", "shown"),
    [
        ("pocketoption", "wss://demo.broker.example/ws", False, "demo.broker.example"),
        ("pocketoption", "wss://anns.broker.example/ws", True, "their-server.example"),
        ("mt5", "https://anns.gateway.example:8443", False, "their-server.example:8443"),
        ("mt5", "https://nas.anns.lan", False, "their-server.internal"),
        ("mt5", "https://anns", False, "https://their-server"),
        ("mt5", "http://203.0.113.9:8000", False, "192.0.2.1:8000"),
        ("mt5", "http://127.0.0.1:8000", True, "127.0.0.1:8000"),
    ],
)
def test_a_server_of_ones_own_is_not_named_and_a_brokers_is(
    broker: str, url: str, is_ours: bool, shown: str
) -> None:
    endpoint = Endpoint(broker=broker, region="custom", url=url, account=Account.NONE, named_by_user=True)
    host = endpoint.address.host
    patient = Patient(name="one", broker=find_broker(broker), endpoint=endpoint, is_ours=is_ours)
    seen = replace(REFUSED, evidence=(f"{host} said so",))
    case = Case(ways=(Way(address=host, port=443, family=4, seconds=0.1),))
    text = shared(replace(examined(seen), case=case, patient=patient), str)
    assert shown in text
    assert (f"{host} said so" in text) is (host in shown)


def test_a_proxy_of_ones_own_is_not_named() -> None:
    chosen = ChosenProxy(
        proxy=Proxy(scheme=Scheme.HTTP, host="proxy.anns.example", port=3128), source="--proxy"
    )
    one = examination()
    text = shared(replace(one, patient=replace(one.patient, proxy=chosen)), str)
    assert "anns" not in text
    assert "their-proxy.example:3128" in text


def test_only_its_user_can_read_it_and_it_is_written_again(tmp_path: Path) -> None:
    file = tmp_path / "report.md"
    for _ in range(2):
        check_place(file)
        write(file, examination(), str)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["report.md"]


def test_another_file_is_not_overwritten(tmp_path: Path) -> None:
    file = tmp_path / "thesis.md"
    file.write_text("Years of work")
    with pytest.raises(ConfigError, match="another file is there, and it is not overwritten"):
        check_place(file)
    with pytest.raises(ConfigError, match="there is no such folder"):
        check_place(tmp_path / "nowhere" / "report.md")
