"""Is a column of a table what it shows, and every bad file named by line?"""

import numpy as np
import pytest

from tinygrad_rnn.tasks import read_column


@pytest.fixture
def table(tmp_path):
    def written(text):
        path = tmp_path / "table.csv"
        path.write_text(text, encoding="utf-8")
        return path

    return written


def test_a_column_is_read_by_name_and_by_number(table):
    path = table("# made up\nyear, depth\n\n1,2.5\n# a pause\n2,-1e3\n")
    assert read_column(path, "depth").tolist() == [2.5, -1000]
    assert read_column(path, 0).tolist() == [1, 2]
    assert read_column(path, "depth").dtype == np.float64


def test_quotes_and_other_delimiters_are_understood(table):
    path = table('"year";"depth; in m"\n"1";"2.5"\n')
    assert read_column(path, "depth; in m", delimiter=";").tolist() == [2.5]


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("a,b\n1,2\n", "c", r"table\.csv has no column 'c'; it has 2: 'a', 'b'\.$"),
        ("a,b\n1,2\n", 2, r"has no column 2; it has 2"),
        ("a,b\n1,2\n", -1, r"has no column -1; it has 2"),
        ("a;b\n1;2\n", "a", r"it has 1: 'a;b'\. Is there .* Try delimiter=';'\."),
        ("a,a\n1,2\n", "a", r"has two columns 'a'\. Pass the number"),
        ("1,2\n3,4\n", 0, r"begins with numbers, 1, 2, not with names\. .* pass header=False"),
        ("a\n1_000\n", "a", r"line 2, column 'a': expected a finite number, found '1_000'"),
        ("a\n1e400\n", "a", r"line 2, column 'a': expected a finite number, found '1e400'"),
        (f"a\n{'9' * 400}\n", "a", r"found '9{37}\.\.\.'\."),
        ('a,b\n"1,5",2\n', "a", r"found '1,5'\. Write decimals with a point"),
        ('a,b\n"1,2\n' + "3,4\n" * 50_000, "a", r"csv, up to line \d+: field .* never closed\?"),
        ("a,b\n1,2\n\nx,2\n", "a", r"line 4, column 'a': expected a finite number, found 'x'"),
        (
            "a,b\n1,\n",
            "b",
            r"line 2, column 'b': expected a finite number, found ''\. Fill the gap",
        ),
        ("a,b\n1,nan\n", "b", r"line 2, column 'b': expected a finite number, found 'nan'"),
        ("a,b\n1,inf\n", "b", r"line 2.*found 'inf'"),
        ("a,b\n1,2\n3\n", "b", r"line 3: expected 2 cells, found 1\. Column 'b' is missing"),
        ("a,b\n", "a", r"has names of columns but no rows below them"),
        ("# nothing\n# at all\n", "a", r"has no column 'a'"),
        ("", "a", r"table\.csv is empty: 0 bytes"),
        ("a\n\0\n", "a", r"is binary: a zero at offset 2"),
    ],
)
def test_a_bad_table_says_what_is_wrong_and_where(table, text, column, message):
    with pytest.raises(ValueError, match=message):
        read_column(table(text), column)


def test_a_table_without_names_is_read_by_number(table):
    path = table("1,2\n3,4\n")
    assert read_column(path, 1, header=False).tolist() == [2, 4]
    assert read_column(path, "2").tolist() == [4]
    with pytest.raises(ValueError, match="has no column '1'; it has 2: '1', '2'"):
        read_column(path, "1", header=False)
    with pytest.raises(ValueError, match=r"delimiter is one character between cells.*got ';;'"):
        read_column(path, 0, delimiter=";;")


def test_a_byte_order_mark_is_passed_over_and_another_encoding_named(tmp_path):
    path = tmp_path / "table.csv"
    path.write_bytes("\ufeffa;b\n1;2\n".encode())
    assert read_column(path, "a", delimiter=";").tolist() == [1]
    path.write_bytes("Tag;Höhe\n1;2\n".encode("latin-1"))
    with pytest.raises(ValueError, match=r'is not utf-8: .* perhaps encoding="latin-1"'):
        read_column(path, "Tag", delimiter=";")
    assert read_column(path, "Höhe", delimiter=";", encoding="latin-1").tolist() == [2]


def test_a_missing_table_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no file .*absent\.csv"):
        read_column(tmp_path / "absent.csv", "a")


# -- rows and names ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "row", ["1701,11,3", "1701,1,234", '1701,11,"see note"', "1,2,,4", "1,2,,,5"]
)
@pytest.mark.parametrize("column", ["year", "value", 0, 1])
def test_a_row_with_more_cells_than_names_is_refused(table, row, column):
    path = table(f"year,value\n1700,5\n{row}\n1702,7\n")
    with pytest.raises(
        ValueError, match=r"line 3: expected 2 cells, found \d: '1.*quotation marks"
    ):
        read_column(path, column)


def test_a_long_row_is_refused_without_a_header_and_under_an_empty_last_name(table):
    with pytest.raises(ValueError, match="line 2: expected 2 cells, found 3: '3', '4', '5'"):
        read_column(table("1,2\n3,4,5\n"), 0, header=False)
    with pytest.raises(ValueError, match="line 3: expected 2 cells, found 3: '3', '4', '5'"):
        read_column(table("a,b,\n1,2,\n3,4,5\n"), "a")


def test_empty_cells_at_the_end_of_a_row_are_no_cells(table):
    path = table("a,b\n1,2,\n3,4,,,\n5\n6,\n")
    assert read_column(path, "a").tolist() == [1, 3, 5, 6]
    assert read_column(table("1,2,\n3,4,5\n"), 0, header=False).tolist() == [1, 3]
    assert read_column(table("a,b,,\n1,2\n3,4,\n"), "b").tolist() == [2, 4]


@pytest.mark.parametrize(
    "text",
    [
        "1700,5\n1701,11\n",
        "1700,5,NA\n1701,11,3\n",
        "1700,NA\n1701,11\n",
        "1700,\n1701,11\n1702,12\n",
        "1700,-\n1701,11\n",
        "nan,NA\n1701,11\n",
        "2020-01-01,5\n2020-01-02,6\n",
        "2020-01-01,NA\n2020-01-02,6\n",
        "a,5\nb,6\n",
        "1e5,2e-3\n1,2\n",
        "3,5%\n4,6\n",
        "3,€5\n4,6\n",
        "3,−5\n4,6\n",
        '1,"1,234"\n2,3\n',
    ],
)
def test_a_first_row_of_data_is_not_taken_for_names(table, text):
    with pytest.raises(
        ValueError, match=r"begins with numbers, .*pass header=False|has no column 1"
    ):
        read_column(table(text), 1)


@pytest.mark.parametrize(
    ("names", "column"), [("year,1990", 0), ("a1,b2", 1), (",value", 0), (",value", 1), ("x,NA", 1)]
)
def test_names_may_hold_digits(table, names, column):
    assert read_column(table(f"{names}\n1,2\n3,4\n"), column).tolist() == [[1, 3], [2, 4]][column]


@pytest.mark.parametrize("column", [True, False, None, 1.0, ("a",), np.True_])
def test_a_column_is_a_name_or_a_number(table, column):
    with pytest.raises(TypeError, match="column is a name or a number, got"):
        read_column(table("a,b\n1,2\n"), column)
    assert read_column(table("a,b\n1,2\n"), np.int64(1)).tolist() == [2]


@pytest.mark.parametrize("head", ["#year,value", "# year, value", "## year,value", "#year,value,"])
@pytest.mark.parametrize("before", ["", "# of the sun\n", "\n"])
def test_names_after_a_number_sign_are_names(table, head, before):
    path = table(f"{before}{head}\n1700,5\n# a pause\n1701,11\n")
    assert read_column(path, "value").tolist() == [5, 11]
    assert read_column(path, "year").tolist() == [1700, 1701]
    assert read_column(path, 1, header=False).tolist() == [5, 11]
    for column, how in (("value", {"header": False}), (1, {}), ("values", {})):
        with pytest.raises(ValueError, match=r"has no column|begins with numbers"):
            read_column(path, column, **how)


def test_names_with_a_number_sign_in_them(table):
    assert read_column(table("#,value\n1,5\n2,6\n"), "#").tolist() == [1, 2]
    assert read_column(table("#,value\n1,5\n2,6\n"), "value").tolist() == [5, 6]
    assert read_column(table("# of spots,year\n1,5\n"), "# of spots").tolist() == [1]
    assert read_column(table("year,#\n1,5\n"), "#").tolist() == [5]
    path = table("# year, value\nyear,value\n1,5\n")
    assert read_column(path, "value").tolist() == [5]
    path = table("# the value, once more, of all\nyear,value\n1,5\n")
    assert read_column(path, "year").tolist() == [1]
    assert read_column(table("# year value\n1.5 2\n"), "value", delimiter=" ").tolist() == [2]


@pytest.mark.parametrize("cell", ["#N/A", "#DIV/0!", "#REF!", "#VALUE!"])
def test_an_error_of_the_spreadsheet_is_no_comment(table, cell):
    path = table(f"a,b\n1,2\n{cell},4\n5,6\n")
    with pytest.raises(ValueError, match=f"line 3, column 'a': .* found '{cell}'"):
        read_column(path, "a")
    assert read_column(path, "b").tolist() == [2, 4, 6]


def test_a_line_with_a_number_sign_inside_quotes_is_no_comment(table):
    path = table('note,v\n"a\n# b",5\n# "c\n"d",6\n')
    assert read_column(path, "v").tolist() == [5, 6]


def test_a_quotation_mark_that_is_never_closed_swallows_no_rows(table):
    with pytest.raises(ValueError, match=r"up to line \d: .*opened and never closed"):
        read_column(table('a,b\n1,"2\n3,4\n5,6\n'), "a")
    with pytest.raises(ValueError, match="opened and never closed"):
        read_column(table('"a,b\n1,2\n'), 0)


# -- numbers ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cell", "marks", "number"),
    [
        ("5,5", {"decimal": ","}, 5.5),
        ("-5,5e-3", {"decimal": ","}, -0.0055),
        ("1.234,5", {"decimal": ",", "thousands": "."}, 1234.5),
        ("1.234.567", {"thousands": "."}, 1234567),
        ("1.001", {"thousands": "."}, 1001),
        ("1.001", {"decimal": "."}, 1.001),
        ("999", {"thousands": "."}, 999),
        ("12345", {"thousands": "."}, 12345),
        ("0,5", {"thousands": "."}, 0.5),
        ("1,234", {"thousands": ","}, 1234),
        ("+1,234.5", {"thousands": ","}, 1234.5),
        (",5", {"decimal": ","}, 0.5),
        (".5", {"thousands": ","}, 0.5),
        ("1 234", {"thousands": " "}, 1234),
        ("1\u00a0234", {"thousands": " "}, 1234),
        ("1\u202f234,5", {"thousands": " ", "decimal": ","}, 1234.5),
        ("1'234", {"thousands": "'"}, 1234),
        ("1\u2019234", {"thousands": "'"}, 1234),
        ("1_234", {"thousands": "_"}, 1234),
    ],
)
def test_marks_in_numbers_are_read_as_they_are_named(table, cell, marks, number):
    path = table(f'year;value\n1700;7\n1701;"{cell}"\n')
    assert read_column(path, "value", delimiter=";", **marks).tolist() == [7, number]


@pytest.mark.parametrize(
    ("cell", "marks"),
    [
        ("5.5", {"decimal": ","}),
        ("1,5", {"decimal": "."}),
        ("1.234,5", {}),
        ("1.234,5", {"decimal": ","}),
        ("1.23", {"thousands": "."}),
        ("1.2345", {"thousands": "."}),
        ("12.34.567", {"thousands": "."}),
        ("1234.567", {"thousands": "."}),
        ("1,5", {"thousands": ","}),
        ("1,,234", {"thousands": ","}),
        ("1,234.5.6", {"thousands": ","}),
        ("1.5,234", {"thousands": ","}),
        (",234", {"thousands": ","}),
        ("1 234", {}),
        ("1 23", {"thousands": " "}),
        ("1_234", {"thousands": ","}),
        ("", {"thousands": ","}),
        ("nan", {"thousands": ","}),
        ("1e400", {"decimal": ","}),
        ("1.234.567", {}),
    ],
)
def test_a_number_with_other_marks_is_refused(table, cell, marks):
    path = table(f'year;value\n1700;7\n1701;"{cell}"\n')
    with pytest.raises(ValueError, match="line 3, column 'value': expected a finite number, found"):
        read_column(path, "value", delimiter=";", **marks)


def test_a_missing_mark_of_thousands_is_named(table):
    path = table("v\n1.234,5\n")
    with pytest.raises(ValueError, match=r"The decimal mark is ','; .*thousands="):
        read_column(path, "v", delimiter=";", decimal=",")


@pytest.mark.parametrize("delimiter", [";", "\t"])
@pytest.mark.parametrize("cells", [["999", "1.001", "998"], ["1.234"], ["-12.500", "7", "100.000"]])
def test_a_point_that_may_stand_for_thousands_has_to_be_named(table, delimiter, cells):
    path = table("\n".join(["year" + delimiter + "value", *(f"1{delimiter}{c}" for c in cells)]))
    with pytest.raises(
        ValueError, match=r"with a decimal point and .* Pass decimal=.* or thousands="
    ):
        read_column(path, 1, delimiter=delimiter)
    plain = read_column(path, 1, delimiter=delimiter, decimal=".")
    assert plain.tolist() == [float(c) for c in cells]
    grouped = read_column(path, 1, delimiter=delimiter, thousands=".")
    assert grouped.tolist() == [float(c.replace(".", "")) for c in cells]


@pytest.mark.parametrize("other", ["0.125", "1.5", "1818.001", "1.0005", "01.500", "1.500e3"])
def test_one_cell_that_cannot_have_thousands_settles_it(table, other):
    path = table(f"v\n1.001\n{other}\n")
    assert read_column(path, "v", delimiter=";").tolist() == [1.001, float(other)]


def test_a_comma_between_cells_says_that_points_are_decimal(table):
    assert read_column(table("a,b\n999,1\n1.001,2\n"), "a").tolist() == [999, 1.001]


@pytest.mark.parametrize(
    ("marks", "message"),
    [
        ({"decimal": ";"}, "decimal is a point or a comma, got ';'"),
        ({"decimal": ""}, "decimal is a point or a comma, got ''"),
        ({"thousands": ""}, "thousands is one character"),
        ({"thousands": ",,"}, "thousands is one character"),
        ({"thousands": "0"}, "thousands is one character"),
        ({"thousands": "e"}, "thousands is one character"),
        ({"thousands": "-"}, "thousands is one character"),
        ({"thousands": ".", "decimal": "."}, "nor the decimal mark '.'"),
        ({"thousands": ",", "decimal": ","}, "nor the decimal mark ','"),
    ],
)
def test_marks_that_cannot_be_meant_are_refused(table, marks, message):
    with pytest.raises(ValueError, match=message):
        read_column(table("a,b\n1,2\n"), "a", **marks)


def test_a_sheet_saved_by_a_spreadsheet_as_unicode_text_is_read(tmp_path):
    path = tmp_path / "table.txt"
    path.write_bytes("year\tvalue\r\n1700\t5\r\n1701\t11\r\n".encode("utf-16"))
    assert read_column(path, "value", delimiter="\t").tolist() == [5, 11]


ODD = {
    "delimiter": [None, 1, b",", "", ",,", "\n", "\r", '"', "\0", "1", "a", "é", "#", ".", "-"],
    "encoding": [None, 1, b"utf-8", "", "nope", "\0", "base64", "punycode", "undefined"],
    "thousands": [1, "", "..", "1", "-", b","],
    "decimal": [1, "", "..", b","],
    "header": [None, 1, "yes"],
}


@pytest.mark.parametrize(("name", "given"), [(k, x) for k, xs in ODD.items() for x in xs])
def test_an_odd_argument_is_refused_in_a_sentence(table, name, given):
    with pytest.raises((TypeError, ValueError), match=r"^read_(column|text): .*\.$"):
        read_column(table("a,b\n1,2\n"), "a", **{name: given})


@pytest.mark.parametrize("path", [None, 1, b"table.csv", "with a \0"])
def test_what_is_no_path_is_refused(path):
    with pytest.raises((TypeError, ValueError), match=r"^read_text: "):
        read_column(path, "a")
