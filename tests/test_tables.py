"""Are tables read right where they are right, and refused where they are not?"""

import json
import pickle
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.scenario.errors import InputError, Problem, nearest
from sim.scenario.tables import Column, read_table, table_from_cells

COLUMNS = {
    "id": Column(unique=True),
    "name": Column(empty=True),
    "size": Column("number", low=0, high=1000),
    "rank": Column("integer", required=False, empty=True, low=1),
    "new": Column("flag", required=False, empty=True),
}
PLAIN = "id,name,size,rank,new\na,Пермь,1.5,1,1\nb,,2,,0\n"


def write(folder: Path, text: str | bytes, name: str = "table.csv") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def faults(folder: Path, text: str | bytes, columns: dict[str, Column] | None = None) -> list[str]:
    path = write(folder, text)
    with pytest.raises(InputError) as caught:
        read_table(path, columns or COLUMNS)
    return [str(problem).replace(f"{path}", "t") for problem in caught.value.problems]


def test_columns_have_their_kinds(tmp_path: Path) -> None:
    table = read_table(write(tmp_path, PLAIN), COLUMNS)
    assert len(table) == 2
    assert table.columns["name"] == ("Пермь", "")
    assert table.columns["size"].tolist() == [1.5, 2.0]
    np.testing.assert_array_equal(table.columns["rank"], [1, np.nan])
    assert table.columns["new"].tolist() == [True, False]
    assert table.lines.tolist() == [2, 3]
    with pytest.raises(ValueError, match="read-only"):
        table.columns["size"][0] = 3


def test_an_optional_column_that_is_missing_is_empty(tmp_path: Path) -> None:
    table = read_table(write(tmp_path, "id,name,size\na,A,1\n"), COLUMNS)
    assert np.isnan(table.columns["rank"]).tolist() == [True]
    assert table.columns["new"].tolist() == [False]


@pytest.mark.parametrize(
    "data",
    [
        PLAIN.encode("utf-8-sig"),
        PLAIN.encode("cp1251"),
        PLAIN.replace("\n", "\r\n").encode(),
        PLAIN.replace("\n", "\r").encode(),
        ("\n\n" + PLAIN + "\n\n").encode(),
        PLAIN.replace(",", ";").replace("1.5", "1,5").encode("cp1251"),
        PLAIN.replace(",", ";").encode(),
        PLAIN.replace("a,Пермь", ' a ,"Пермь"').encode(),
        PLAIN.rstrip("\n").encode(),
    ],
)
def test_other_ways_to_write_the_same_table(tmp_path: Path, data: bytes) -> None:
    assert read_table(write(tmp_path, data), COLUMNS).cells() == read_table(write(tmp_path, PLAIN), COLUMNS).cells()


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (PLAIN.encode("koi8-r"), "t:2: the text is in an unknown encoding; allowed: UTF-8"),
        (PLAIN.encode("cp866"), "t:2: the text is in an unknown encoding; allowed: UTF-8"),
        (PLAIN.replace("Пермь", "São Tomé").encode("latin-1"), "t:2: the text is in an unknown encoding"),
        (PLAIN.replace("Пермь", "Łódź").encode("cp1250"), "t:2: the text is in an unknown encoding"),
        (PLAIN.encode("utf-16"), "t:1: the text is UTF-16; allowed: UTF-8"),
        (PLAIN.replace("b", "\0").encode(), "t:3: a NUL byte"),
        (b"", "t:1: the file is empty"),
        (b" \n\n", "t:1: the file is empty"),
        (PLAIN.replace(",", "\t").encode(), "t:1: the table is separated by tabs; allowed: commas"),
    ],
)
def test_what_is_no_table(tmp_path: Path, data: bytes, expected: str) -> None:
    problems = faults(tmp_path, data)
    assert len(problems) == 1
    assert problems[0].startswith(expected)


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    text = "id,nmae,size,rank\na,A,-1,1\na,B,x,1.5\n,C,1e5,0\nd,D\n"
    assert faults(tmp_path, text) == [
        "t:1: nmae: unknown column; allowed: id, name, size, rank, new; nearest: name",
        "t:1: name: the column is missing; allowed: text; nearest: nmae",
        "t:2: size: '-1' is out of range; allowed: a number from 0 to 1000",
        "t:3: id: 'a' is there twice; allowed: each value once",
        "t:3: size: 'x' is not a number; allowed: a number from 0 to 1000",
        "t:3: rank: '1.5' is not whole; allowed: a whole number not below 1, or an empty cell",
        "t:4: id: is empty; allowed: a text that is not empty",
        "t:4: size: '1e5' is out of range; allowed: a number from 0 to 1000",
        "t:4: rank: '0' is out of range; allowed: a whole number not below 1, or an empty cell",
        "t:5: 2 cells; allowed: 4, as in the header",
    ]


@pytest.mark.parametrize(
    "cell", ["nan", "inf", "-Infinity", "1_000", "１", "٣", "0x10", "1e", ".", "--1", "1e999", "a"]
)
def test_what_is_no_number(tmp_path: Path, cell: str) -> None:
    (problem,) = faults(tmp_path, f"id,name,size\na,A,1\nb,B,{cell}\n")
    assert problem.startswith("t:3: size: ")


def test_a_decimal_comma_in_a_comma_table_says_what_to_write(tmp_path: Path) -> None:
    (problem,) = faults(tmp_path, 'id,name,size\na,A,"1,5"\n')
    assert problem == "t:2: size: '1,5' has a comma; write '1.5' or '15'; allowed: a number from 0 to 1000"


@pytest.mark.parametrize("cells", [("1,500", "2,250"), ("1,5", "2.5")])
def test_commas_that_may_mean_two_things_are_refused(tmp_path: Path, cells: tuple[str, str]) -> None:
    text = f"id;name;size\na;A;{cells[0]}\nb;B;{cells[1]}\n"
    assert faults(tmp_path, text)[0].startswith(f"t:2: size: {cells[0]!r}: the comma may mark decimals or thousands")


def test_one_clear_decimal_comma_makes_the_others_clear(tmp_path: Path) -> None:
    table = read_table(write(tmp_path, "id;name;size\na;A;1,500\nb;B;2,25\n"), COLUMNS)
    assert table.columns["size"].tolist() == [1.5, 2.25]


def test_many_faults_of_a_kind_are_counted(tmp_path: Path) -> None:
    problems = faults(tmp_path, "id,name,size\n" + "".join(f"i{k},A,x\n" for k in range(100)))
    assert len(problems) == 21
    assert problems[-1] == "t:22: size: and 80 more of the kind"


def test_lines_are_those_of_the_file(tmp_path: Path) -> None:
    text = 'id,name,size\n\na,"two\nlines",1\n\nb,B,2\n'
    assert read_table(write(tmp_path, text), COLUMNS).lines.tolist() == [3, 6]


def test_extra_columns_can_be_ignored(tmp_path: Path) -> None:
    path = write(tmp_path, "id,name,size,other\na,A,1,z\n")
    assert set(read_table(path, COLUMNS, extra="ignore").columns) == set(COLUMNS)


def test_files_that_are_not_to_be_read(tmp_path: Path) -> None:
    def refused(path: str | Path) -> str:
        with pytest.raises(InputError) as caught:
            read_table(path, COLUMNS)
        return str(caught.value)

    write(tmp_path, PLAIN, "places.csv")
    assert refused("/dev/zero") == "/dev/zero: is not an ordinary file"
    assert refused(tmp_path) == f"{tmp_path}: is not an ordinary file"
    assert refused(tmp_path / "plces.csv").endswith("plces.csv: no such file; nearest: places.csv")
    assert "cannot be read" in refused("a\0b")
    with (tmp_path / "huge.csv").open("wb") as file:
        file.truncate(300 * 2**20)
    assert "huge.csv: is too large: 300.0 MB; allowed: up to 256 MB" in refused(tmp_path / "huge.csv")


def test_a_problem_is_one_printable_line() -> None:
    assert (
        str(Problem("a.toml", 3, "x.y", "is\nbad", "good", "gut"))
        == "a.toml:3: x.y: is\\nbad; allowed: good; nearest: gut"
    )
    assert str(Problem("command line", 0, "x", "is bad")) == "command line: x: is bad"
    error = pickle.loads(pickle.dumps(InputError([Problem("a", 1, "k", "m"), Problem("b", 2, "k", "m")])))
    assert str(error) == "a:1: k: m\nb:2: k: m"


def test_nearest() -> None:
    assert nearest("Pears", ["peers", "leaders"]) == "peers"
    assert nearest("zzz", ["peers", "leaders"]) == ""
    begin = time.perf_counter()
    nearest("place-123456x", (f"place-{k}" for k in range(1_000_000)))
    assert time.perf_counter() - begin < 20


def test_a_table_of_200_000_rows_is_read_in_seconds(tmp_path: Path) -> None:
    rows = "".join(f"i{k},Город {k},{k % 1000}.25,{k + 1},1\n" for k in range(200_000))
    path = write(tmp_path, "id,name,size,rank,new\n" + rows)
    begin = time.perf_counter()
    table = read_table(path, COLUMNS)
    assert time.perf_counter() - begin < 5
    assert table.columns["size"][-1] == 999.25


words = st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=8).map(str.strip)
rows = st.lists(
    st.tuples(words, st.floats(0, 1000), st.none() | st.integers(1, 10**9), st.booleans()),
    min_size=1,
    max_size=6,
)


@given(rows)
def test_cells_survive_json(given_rows: list[tuple[str, float, int | None, bool]]) -> None:
    names, sizes, ranks, news = map(list, zip(*given_rows, strict=True))
    cells = {
        "id": [f"i{k}" for k in range(len(names))],
        "name": names,
        "size": sizes,
        "rank": ranks,
        "new": news,
    }
    table = table_from_cells("t", cells, COLUMNS)
    again = table_from_cells("t", json.loads(json.dumps(table.cells(), allow_nan=False)), COLUMNS)
    for name, values in table.columns.items():
        np.testing.assert_array_equal(values, again.columns[name])
    np.testing.assert_array_equal(table.columns["size"], sizes)


@settings(max_examples=300, deadline=None)
@given(
    st.binary(max_size=6),
    st.integers(0, len(PLAIN.encode())),
    st.integers(0, 6),
    st.sampled_from(["utf-8", "cp1251"]),
)
def test_a_damaged_table_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, put: bytes, at: int, cut: int, encoding: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged.csv"
    data = PLAIN.encode(encoding)
    path.write_bytes(data[:at] + put + data[at + cut :])
    try:
        table = read_table(path, COLUMNS)
    except InputError as error:
        assert all(problem.line for problem in error.problems)
    else:
        assert np.isfinite(table.columns["size"]).all()
        assert len(set(table.columns["id"])) == len(table)
