"""docs/store.md says what is so."""

import re
import sqlite3
from contextlib import closing
from pathlib import Path

from probe.store import place, schema, troubles, writer
from tests.store.making import MINUTE, Kept

PAGE = (Path(__file__).parents[2] / "docs" / "store.md").read_text(encoding="utf-8")


def test_the_query_runs(kept: Kept) -> None:
    [query] = re.findall(r"```sql\n(.*?)```", PAGE, re.DOTALL)
    kept.keep(MINUTE)
    with closing(sqlite3.connect(kept.path)) as store:
        assert store.execute(query).fetchall() == [("demo", "2023-11-15", 55.0, 11.5)]


def test_the_copy_is_whole(kept: Kept, tmp_path: Path) -> None:
    [command] = re.findall(r'"(VACUUM INTO .*?)"', PAGE)
    with kept.running() as running:
        running.write(MINUTE)
        assert running.flush(10)
        with closing(sqlite3.connect(kept.path)) as store:
            store.execute(command.replace("copy.db", str(tmp_path / "copy.db")))
    with closing(sqlite3.connect(tmp_path / "copy.db")) as copy:
        assert copy.execute("SELECT count(*) FROM minutes").fetchall() == [(1,)]


def test_every_table_has_its_line(kept: Kept) -> None:
    kept.keep(MINUTE)
    with closing(sqlite3.connect(kept.path)) as store:
        tables = {name for (name,) in store.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    lines = PAGE.split("| table |")[1]
    assert {
        name
        for line in re.findall(r"^\| (`.*?) \|", lines, re.MULTILINE)
        for name in re.findall(r"\w+", line)
    } == tables
    assert f"the version of the schema, {len(schema.MIGRATIONS)};" in PAGE


def test_every_notice_has_its_line() -> None:
    sources = "".join(Path(str(module.__file__)).read_text() for module in (place, schema, troubles, writer))
    lines = PAGE.split("| notice |")[1].split("##")[0]
    assert set(re.findall(r"`(store\.[\w-]+)`", lines)) == set(re.findall(r'"(store\.[\w-]+)"', sources)) - {
        "store.db"
    }
