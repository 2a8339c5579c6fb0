"""Which cases are found in folders and tables, and what is said about those that cannot be worked on."""

from __future__ import annotations

import os

import pytest
from cohort_cases import write_cases

from BraTSOSLib.case import MODALITIES
from BraTSOSLib.cli import main
from BraTSOSLib.cohort.finding import find_cases
from BraTSOSLib.errors import InputError


def found(source, output=None):
    with find_cases(source, output) as findings:
        return {case.name: case for case in findings}


def write(folder, *names):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_text(name)


def test_folders_of_all_naming_schemes_at_any_depth(tmp_path):
    write_cases(tmp_path / "HGG", "Brats18_1")
    write(tmp_path / "BraTS-GLI-1", *(f"BraTS-GLI-1-{end}.nii.gz" for end in ("t1n", "t1c", "t2w", "t2f", "seg")))
    write(tmp_path / "deep" / "er" / "UPENN-1_11", *(f"UPENN-1_11_{end}.nii" for end in ("T1", "T1GD", "T2", "FLAIR")))
    bids = tmp_path / "bids" / "sub-01" / "ses-02" / "anat"
    entities = ("T1w", "ce-gadolinium_T1w", "T2w", "FLAIR")
    write(bids, *(f"sub-01_ses-02_{entity}.nii.gz" for entity in entities), "sub-01_ses-02_T1w.json")
    write(tmp_path / "notes", "readme.txt", "other.nii.gz")
    write(tmp_path / ".hidden", "x_t1.nii.gz")
    write_cases(tmp_path / "out" / "cases", "not_me")
    cases = found(tmp_path, tmp_path / "out")
    assert list(cases) == ["BraTS-GLI-1", "Brats18_1", "sub-01_ses-02", "UPENN-1_11"]
    assert all(case.problem is None for case in cases.values())
    assert all(set(case.scans) == set(MODALITIES) for case in cases.values())
    assert cases["sub-01_ses-02"].scans["t1ce"].endswith("sub-01_ses-02_ce-gadolinium_T1w.nii.gz")
    assert cases["BraTS-GLI-1"].scans["flair"].endswith("-t2f.nii.gz")
    assert cases["BraTS-GLI-1"].labels is None, "a label map beside the scans is a reference, not an input"


def test_folders_of_one_name_are_told_apart_by_those_above(tmp_path):
    for patient in ("p1", "p2"):
        write_cases(tmp_path / patient, "preop")
    write_cases(tmp_path, "other")
    assert sorted(found(tmp_path)) == ["other", "p1_preop", "p2_preop"]


def test_a_folder_that_is_itself_a_case_and_links_in_circles(tmp_path):
    write_cases(tmp_path, "only")
    os.symlink(tmp_path, tmp_path / "only" / "circle")
    assert list(found(tmp_path / "only")) == ["only"]


def test_folders_that_cannot_be_worked_on_are_listed_with_the_reason(tmp_path):
    write_cases(tmp_path, "good", "lacks", "twice", "empty")
    (tmp_path / "lacks" / "lacks_t2.nii.gz").unlink()
    (tmp_path / "twice" / "again_t2.nii.gz").write_text("t2")
    (tmp_path / "empty" / "empty_flair.nii.gz").write_bytes(b"")
    write_cases(tmp_path, "con")
    cases = found(tmp_path)
    problems = {name: case.problem for name, case in cases.items() if case.problem}
    assert set(problems) == {"lacks", "twice", "empty", "con"}
    assert "no scan for t2" in problems["lacks"]
    assert "2 files for t2" in problems["twice"]
    assert "empty file" in problems["empty"]
    assert "folder's name on every computer" in problems["con"]


def test_names_that_are_not_utf8_are_refused_and_can_be_stored(tmp_path):
    import sys

    if sys.platform != "linux":
        pytest.skip("only Linux lets file names be any bytes")
    write_cases(tmp_path / "in", "good")
    folder = os.fsencode(tmp_path / "in") + b"/b\xffd"
    os.mkdir(folder)
    for kind in MODALITIES:
        with open(folder + f"/x_{kind}.nii.gz".encode(), "w") as file:
            file.write(kind)
    cases = found(tmp_path / "in")
    assert "holds" in cases["b\\udcffd"].problem
    assert str(cases).encode()
    assert cases["good"].problem is None


def table(tmp_path, *rows, header="case,t1,t1ce,t2,flair,age,resection"):
    path = tmp_path / "cohort.csv"
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def paths(name):
    return ",".join(f"{name}/{name}_{kind}.nii.gz" for kind in MODALITIES)


def test_a_table_names_scans_and_clinical_values(tmp_path):
    write_cases(tmp_path, "a", "b")
    (tmp_path / "mask.nii.gz").write_text("labels")
    header = "Case,T1,T1ce,T2,FLAIR,Age,Resection,Segmentation,MGMT,OS days,event,site"
    source = table(
        tmp_path, f"a,{paths('a')},60.7,gtr,mask.nii.gz,methylated,430,0,X", f"b,{paths('b')},,,,,,,Y", header=header
    )
    cases = found(source)
    assert cases["a"].clinical == {
        "age": 60.7, "resection": "GTR", "mgmt": "methylated", "idh": "unknown", "kps": None,
    }  # fmt: skip
    assert cases["a"].labels == str(tmp_path / "mask.nii.gz")
    assert (cases["a"].days, cases["a"].event) == (430.0, False)
    assert cases["a"].where == "row 2"
    assert (cases["b"].days, cases["b"].clinical["age"], cases["b"].labels) == (None, None, None)
    assert all(case.problem is None for case in cases.values())


def test_a_table_without_scans_has_its_case_folders_beside_it(tmp_path):
    write_cases(tmp_path, "a")
    cases = found(table(tmp_path, "a,60,GTR", "b,50,STR", header="case;age;resection".replace(";", ",")))
    assert cases["a"].problem is None
    assert "no scan for t1, t1ce, t2, flair" in cases["b"].problem


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("x,{0}/gone.nii.gz,{1},60,GTR", "gone.nii.gz, is not there"),
        ("x,{2},600,GTR", "age is 600"),
        ("x,{2},old,GTR", "age is 'old'"),
        ("x,{2},60,maybe", "resection is 'maybe'"),
        ("../x,{2},60,GTR", "holds '/'"),
        (",{2},60,GTR", "names no case"),
        ("x,{2},60,GTR,surplus", "8 fields"),
        ("x,a/a_t1.nii.gz,a/a_t1.nii.gz,a/a_t2.nii.gz,a/a_flair.nii.gz,60,GTR", "both t1 and t1ce"),
        ("x,cohort.csv,{1},60,GTR", "none of the formats"),
        ("x,a,{1},60,GTR", "is no file"),
    ],
)
def test_a_row_that_is_wrong_is_named_and_the_others_stay(tmp_path, row, reason):
    write_cases(tmp_path, "a")
    rest = ",".join(paths("a").split(",")[1:])
    source = table(tmp_path, f"good,{paths('a')},60,GTR", row.format("a", rest, paths("a")))
    wrong = [case for case in found(source).values() if case.problem]
    assert len(wrong) == 1
    assert wrong[0].where == "row 3"
    assert reason in wrong[0].problem


def test_a_case_given_twice_is_wrong_once(tmp_path):
    write_cases(tmp_path, "a")
    cases = found(table(tmp_path, *(f"{name},{paths('a')},60,GTR" for name in ("a", "b", "A", "a"))))
    assert list(cases) == ["a", "b"]
    assert "more than once (row 2 and row 4 and row 5)" in cases["a"].problem


def test_survival_in_words_and_numbers(tmp_path):
    write_cases(tmp_path, "a")
    header = "case,days"
    rows = ("a,ALIVE (361 days later)", "b,NA", "c,-3", "d,soon")
    cases = found(table(tmp_path, *rows, header=header))
    assert (cases["a"].days, cases["a"].event) == (361.0, False)
    assert cases["b"].days is None
    assert all("survival is" in cases[name].problem for name in "cd")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"name;age\n", "holds no case"),
        (b"t1,t2\nx,y\n", "no column 'case'"),
        (b"", "no column 'case'"),
        (b"case,age,AGE\na,1,2\n", "two columns for age"),
        (b"case,age\n\xff\xfe,1\n", "not UTF-8"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path, content, reason):
    (tmp_path / "cohort.csv").write_bytes(content)
    with pytest.raises(InputError, match=reason):
        find_cases(tmp_path / "cohort.csv")


def test_nothing_to_work_on_is_refused(tmp_path):
    with pytest.raises(InputError, match="holds no case"):
        find_cases(tmp_path)
    with pytest.raises(InputError, match="does not exist"):
        find_cases(tmp_path / "nowhere")


def test_a_dry_run_lists_everything_and_writes_nothing(tmp_path, capsys):
    write_cases(tmp_path / "in", "good", "lacks")
    (tmp_path / "in" / "lacks" / "lacks_t1.nii.gz").unlink()
    assert main(["cohort", str(tmp_path / "in"), "-o", str(tmp_path / "out"), "--dry-run"]) == 1
    said = capsys.readouterr().out
    assert "2 cases" in said
    assert "good" in said
    assert "no scan for t1" in said
    assert not (tmp_path / "out").exists()
    assert main(["cohort", str(tmp_path / "empty"), "-o", str(tmp_path / "out")]) == 2
