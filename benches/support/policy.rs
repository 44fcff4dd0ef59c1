//! The record of all benchmarks: ten columns of the kinds that models have.

use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Policy {
    pub(crate) policy_id: u64,
    pub(crate) product: String,
    pub(crate) age: u8,
    pub(crate) sex: char,
    pub(crate) smoker: bool,
    pub(crate) term: u16,
    pub(crate) sum_assured: f64,
    pub(crate) interest: f64,
    pub(crate) loading: Option<f64>,
    pub(crate) issued: String,
}

/// Policies without end, the same in every run.
pub(crate) fn policies() -> impl Iterator<Item = Policy> {
    (0u64..).map(|n| {
        let spread = n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
        Policy {
            policy_id: 10_000_000_000 + n,
            product: ["term", "endowment", "whole life"][(n % 3) as usize].to_owned(),
            age: 18 + (spread % 60) as u8,
            sex: if n % 2 == 0 { 'F' } else { 'M' },
            smoker: n % 7 == 0,
            term: 5 + (spread % 35) as u16,
            sum_assured: 10_000.0 + (spread % 1_000_000) as f64 / 7.0,
            interest: 0.01 + (spread % 500) as f64 / 10_000.0,
            loading: (n % 5 != 0).then_some(1.0 + (spread % 100) as f64 / 300.0),
            issued: format!(
                "20{:02}-{:02}-{:02}",
                spread % 26,
                1 + spread % 12,
                1 + spread % 28
            ),
        }
    })
}
