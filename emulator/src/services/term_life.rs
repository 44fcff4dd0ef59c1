//! `my-folder/term-life`: net premium and reserve of a term insurance.
//!
//! Inputs: `age` (whole years, 18 to 80), `sex` (`"female"` or `"male"`, or the first letter),
//! `smoker` (`true` or `false`), `sum_assured` (an amount of money), `term` (whole years, at least
//! 1; the policy ends at 100 at the latest), and optionally `duration` (whole years from issue at
//! which the reserve is wanted, at most the term; by default half the term, rounded down). Outputs:
//! `premium` and `reserve`, both in the unit of the sum assured.
//!
//! # The model
//!
//! Mortality follows Makeham's law: the force of mortality at age `x` is `mu(x) = A + B c^x`. Its
//! parameters are those of the Standard Ultimate Survival Model: `A = 0.00022`, `B = 2.7e-6`, `c =
//! 1.124`. The probability to survive `t` years is then `tp_x = exp(-A t - B c^x (c^t - 1) / ln
//! c)`. That model stands for a man who doesn't smoke; a woman counts as a man [`WOMAN_SET_BACK`]
//! years younger, and a smoker's force of mortality is [`SMOKER_FACTOR`] times as high, which
//! raises `tp_x` to that power. These two are for demonstration and come from no table.
//!
//! With the yearly interest rate `i = 5 %`, `v = 1 / (1 + i)`, benefits at the end of the year of
//! death and level premiums in advance at the start of each year:
//!
//! - value of the benefit: `A(x, n) = sum over k < n of v^(k+1) kp_x q_(x+k)`
//! - value of a premium of 1: `a(x, n) = sum over k < n of v^k kp_x`
//! - premium by the equivalence principle: `P = S A(x, n) / a(x, n)`
//! - reserve after `t` years, before the premium then due: `tV = S A(x+t, n-t) - P a(x+t, n-t)`
//!
//! Sources: W. M. Makeham, "On the Law of Mortality and the Construction of Annuity Tables", The
//! Assurance Magazine 8 (1860); D. C. M. Dickson, M. R. Hardy, H. R. Waters, "Actuarial Mathematics
//! for Life Contingent Risks", Cambridge University Press: the chapters on survival models, on
//! insurance benefits and annuities, on premiums and on policy values. Its Appendix D holds the
//! table of the Standard Ultimate Survival Model at 5 %, against which the tests check.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Service;

const MAKEHAM_A: f64 = 0.000_22;
const MAKEHAM_B: f64 = 2.7e-6;
const MAKEHAM_C: f64 = 1.124;
const INTEREST: f64 = 0.05;
/// Years by which a woman counts as younger.
const WOMAN_SET_BACK: f64 = 4.0;
/// Factor on a smoker's force of mortality.
const SMOKER_FACTOR: f64 = 2.0;
const YOUNGEST: u32 = 18;
const OLDEST: u32 = 80;
const LAST_AGE: u32 = 100;

#[derive(Deserialize, JsonSchema)]
struct Policy {
    /// Age at issue in whole years
    #[schemars(example = 40, range(min = 18, max = 80))]
    age: u32,
    /// Sex of the insured
    sex: Sex,
    /// Whether the insured smokes
    smoker: bool,
    /// Sum assured in any currency
    #[schemars(example = 100_000.0, range(min = 0.0))]
    sum_assured: f64,
    /// Term in whole years; the policy ends at age 100 at the latest
    #[schemars(example = 20, range(min = 1, max = 82))]
    term: u32,
    /// Whole years from issue at which the reserve is wanted; by default half the term
    #[schemars(example = 10, range(min = 0, max = 82))]
    duration: Option<u32>,
}

#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Sex {
    #[serde(alias = "Female", alias = "f", alias = "F")]
    Female,
    #[serde(alias = "Male", alias = "m", alias = "M")]
    Male,
}

#[derive(Serialize, JsonSchema)]
struct Values {
    /// Net premium a year in the currency of the sum assured
    #[schemars(example = 112.62)]
    premium: f64,
    /// Reserve after the duration, before the premium then due
    #[schemars(example = 553.96)]
    reserve: f64,
}

pub(super) fn service() -> Service {
    Service::described(values)
}

fn values(policy: Policy) -> Result<Values, String> {
    let Policy {
        age,
        sex,
        smoker,
        sum_assured,
        term,
        duration,
    } = policy;
    if !(YOUNGEST..=OLDEST).contains(&age) {
        return Err(format!(
            "age must be between {YOUNGEST} and {OLDEST}, but is {age}"
        ));
    }
    if !(1..=LAST_AGE - age).contains(&term) {
        return Err(format!(
            "term must be between 1 and {} at age {age}, but is {term}",
            LAST_AGE - age
        ));
    }
    if !(sum_assured > 0.0 && sum_assured.is_finite()) {
        return Err(format!(
            "sum_assured must be more than 0, but is {sum_assured}"
        ));
    }
    let duration = duration.unwrap_or(term / 2);
    if duration > term {
        return Err(format!(
            "duration must not be longer than the term of {term}, but is {duration}"
        ));
    }
    let life = Life::new(sex, smoker);
    let (benefit, annuity) = life.present_values(age, term);
    let premium = sum_assured * benefit / annuity;
    let (benefit, annuity) = life.present_values(age + duration, term - duration);
    Ok(Values {
        premium,
        reserve: sum_assured * benefit - premium * annuity,
    })
}

/// The mortality of one kind of life.
struct Life {
    set_back: f64,
    factor: f64,
}

impl Life {
    fn new(sex: Sex, smoker: bool) -> Self {
        Self {
            set_back: match sex {
                Sex::Female => WOMAN_SET_BACK,
                Sex::Male => 0.0,
            },
            factor: if smoker { SMOKER_FACTOR } else { 1.0 },
        }
    }

    /// The values of a benefit of 1 and of a premium of 1, for this age and this number of years.
    fn present_values(&self, age: u32, years: u32) -> (f64, f64) {
        let discount = 1.0 / (1.0 + INTEREST);
        let mut aged = MAKEHAM_C.powf(f64::from(age) - self.set_back);
        let (mut benefit, mut annuity) = (0.0, 0.0);
        // The present value of a payment at the start of the year if the insured is alive.
        let mut worth = 1.0;
        for _ in 0..years {
            annuity += worth;
            let survives = (-self.factor
                * (MAKEHAM_A + MAKEHAM_B / MAKEHAM_C.ln() * aged * (MAKEHAM_C - 1.0)))
                .exp();
            benefit += worth * discount * (1.0 - survives);
            worth *= discount * survives;
            aged *= MAKEHAM_C;
        }
        (benefit, annuity)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(actual: f64, expected: f64, digits: i32) {
        let tolerance = 0.5 * 10_f64.powi(-digits) * 1.000_001;
        assert!(
            (actual - expected).abs() <= tolerance,
            "{actual} is not {expected} to {digits} places"
        );
    }

    fn policy(age: u32, sex: Sex, smoker: bool, term: u32, duration: u32) -> Policy {
        Policy {
            age,
            sex,
            smoker,
            sum_assured: 100_000.0,
            term,
            duration: Some(duration),
        }
    }

    #[test]
    fn agrees_with_the_published_table_of_the_survival_model() {
        let life = Life::new(Sex::Male, false);
        // Columns of the published table for age 40: annuities and endowments of 10 and 20 years.
        for (years, annuity, endowment) in [(10, 8.0863, 0.61494), (20, 12.9935, 0.38126)] {
            let (benefit, due) = life.present_values(40, years);
            close(due, annuity, 4);
            let t = f64::from(years);
            let survives = (-MAKEHAM_A * t
                - MAKEHAM_B / MAKEHAM_C.ln() * MAKEHAM_C.powf(40.0) * (MAKEHAM_C.powf(t) - 1.0))
                .exp();
            close(benefit + survives * (1.0 + INTEREST).powf(-t), endowment, 5);
        }
        // Over the whole of life the sums converge to the table's whole-life values.
        let (benefit, due) = life.present_values(40, 100);
        close(due, 18.4578, 4);
        close(benefit, 0.12106, 5);
        let (benefit, due) = life.present_values(60, 80);
        close(due, 14.9041, 4);
        close(benefit, 0.29028, 5);
    }

    #[test]
    fn agrees_with_an_integration_of_the_force_of_mortality() {
        // Computed apart from this code, in decimals of 40 digits, with the survival probabilities
        // from Simpson's rule over the force of mortality rather than from its closed form.
        use Sex::{Female, Male};
        for (age, sex, smoker, sum_assured, term, duration, premium, reserve) in [
            (
                40,
                Male,
                false,
                100_000.0,
                20,
                10,
                112.618_392_280_491_8,
                553.957_282_267_728_1,
            ),
            (
                35,
                Female,
                false,
                250_000.0,
                25,
                12,
                161.809_147_831_224_8,
                1_009.858_301_592_71,
            ),
            (
                50,
                Male,
                true,
                100_000.0,
                15,
                7,
                471.846_189_792_368,
                1_406.915_577_681_55,
            ),
            (30, Female, true, 75_000.0, 1, 0, 39.964_515_056_066_82, 0.0),
            (
                60,
                Female,
                true,
                100_000.0,
                40,
                20,
                2_169.296_858_366_936,
                44_170.844_427_606_43,
            ),
        ] {
            let policy = Policy {
                age,
                sex,
                smoker,
                sum_assured,
                term,
                duration: Some(duration),
            };
            let given = values(policy).unwrap();
            close(given.premium, premium, 7);
            close(given.reserve, reserve, 6);
        }
    }

    #[test]
    fn the_reserve_follows_the_recursion_and_ends_at_nothing() {
        let (age, term) = (45, 20);
        let life = Life::new(Sex::Female, true);
        let premium = values(policy(age, Sex::Female, true, term, 0))
            .unwrap()
            .premium;
        let mut reserve = 0.0;
        for year in 0..term {
            let given = values(policy(age, Sex::Female, true, term, year))
                .unwrap()
                .reserve;
            close(given, reserve, 6);
            let (benefit, _) = life.present_values(age + year, 1);
            let dies = benefit * (1.0 + INTEREST);
            reserve = ((reserve + premium) * (1.0 + INTEREST) - 100_000.0 * dies) / (1.0 - dies);
        }
        close(reserve, 0.0, 6);
    }
}
