"""How long a run will take is said once, without the steps that warm up."""

from dora.train.forecast import Forecast, spoken


def test_the_first_steps_are_left_out_and_it_is_said_once() -> None:
    forecast = Forecast(3610)
    said = [forecast.after(step_s) for step_s in [500.0, 90.0] + [2.0] * 40]
    sentences = [sentence for sentence in said if sentence is not None]
    assert (
        said[9]
        == sentences[0]
        == ("steps 3 to 10 took 2 s each: about 2 hours for the 3,600 steps left")
    )
    assert len(sentences) == 1


def test_a_run_that_ends_with_the_measurement_says_nothing() -> None:
    forecast = Forecast(10)
    assert [forecast.after(1.0) for _ in range(10)] == [None] * 10


def test_times_are_in_units_for_people() -> None:
    assert [spoken(seconds) for seconds in (0, 1, 45)] == ["0 seconds", "1 second", "45 seconds"]
    assert spoken(45 * 60) == "45 minutes"
    assert spoken(4.25 * 3600) == "4.25 hours"
    assert spoken(120.4 * 3600) == "120 hours"
