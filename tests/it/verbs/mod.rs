//! The verbs: what they send, and what they make of the response.

mod behaviour;
mod duplicates;
mod pulls;
mod requests;
mod responses;
mod results;
