"""Are the measures of agreement right, and is what the page says still what the model says?"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from calibration.claims import validation

PAGE = Path(__file__).parent.parent / "docs" / "validation.md"


def test_agreement_by_hand():
    rank = np.array([1, 2, 3, 4])
    assert validation.agreement(rank, np.array([9.0, 7.0, 5.0, 1.0])) == (4, pytest.approx(1), 1.0)
    assert validation.agreement(rank, np.array([1.0, 2.0, 3.0, 4.0])) == (4, pytest.approx(-1), 0.0)
    # 3 of 6 pairs in order; sum of squared differences of ranks 10: 1 - 6 * 10 / (4 * 15) = 0
    assert validation.agreement(rank, np.array([2.0, 1.0, 4.0, 3.0]))[2] == pytest.approx(2 / 6)
    assert validation.agreement(rank, np.array([3.0, np.nan, 2.0, 1.0])) == (3, pytest.approx(1), 1.0)
    assert validation.agreement(rank, np.array([5.0, 5.0, 1.0, 0.0]))[2] == pytest.approx(5.5 / 6)


def test_ahead_of_others_is_the_share_of_pairs():
    rated = np.array([True, False, True, False])
    assert validation.ahead_of_others(rated, np.array([4.0, 3.0, 2.0, 1.0])) == 0.75
    assert validation.ahead_of_others(rated, np.ones(4)) == 0.5


def test_observed_orders_are_those_of_the_table():
    """Nine cities of 2021 and three of 2018 are public; the order of 2018 says something of three of the nine."""
    columns = validation._table("iq_city_index_observations.csv", validation.INDEX_COLUMNS)
    years = np.asarray(columns["index_year"])
    assert (years == 2018).sum() == 3 and (years == 2021).sum() == 9


@pytest.mark.slow
def test_page_says_what_the_model_says():
    assert validation.documented(PAGE) == validation.markdown()
