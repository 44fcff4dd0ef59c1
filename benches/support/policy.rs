//! The record of all benchmarks: ten columns of the kinds that models have.

use serde::{Deserialize, Serialize};

/// Text is borrowed on the way in, so that making up records costs next to nothing, and owned on
/// the way out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Policy<Text> {
    pub(crate) policy_id: u64,
    pub(crate) product: Text,
    pub(crate) age: u8,
    pub(crate) sex: char,
    pub(crate) smoker: bool,
    pub(crate) term: u16,
    pub(crate) sum_assured: f64,
    pub(crate) interest: f64,
    pub(crate) loading: Option<f64>,
    pub(crate) issued: Text,
}

impl<Text: Copy + Serialize> Policy<Text> {
    /// The cells of a table, in the order of the fields.
    #[allow(dead_code)] // Only one benchmark makes rows by hand.
    pub(crate) fn row(&self) -> impl Serialize {
        (
            self.policy_id,
            self.product,
            self.age,
            self.sex,
            self.smoker,
            self.term,
            self.sum_assured,
            self.interest,
            self.loading,
            self.issued,
        )
    }
}

const PRODUCTS: [&str; 3] = ["term", "endowment", "whole life"];
const DATES: [&str; 4] = ["2019-02-28", "2021-11-05", "2024-07-01", "2025-12-31"];

/// Policies without end, the same in every run.
pub(crate) fn policies() -> impl Iterator<Item = Policy<&'static str>> {
    (0u64..).map(|n| {
        let spread = n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
        Policy {
            policy_id: 10_000_000_000 + n,
            product: PRODUCTS[(n % 3) as usize],
            age: 18 + (spread % 60) as u8,
            sex: if n.is_multiple_of(2) { 'F' } else { 'M' },
            smoker: n.is_multiple_of(7),
            term: 5 + (spread % 35) as u16,
            sum_assured: 10_000.0 + (spread % 1_000_000) as f64 / 7.0,
            interest: 0.01 + (spread % 500) as f64 / 10_000.0,
            loading: (!n.is_multiple_of(5)).then_some(1.0 + (spread % 100) as f64 / 300.0),
            issued: DATES[(spread % 4) as usize],
        }
    })
}
