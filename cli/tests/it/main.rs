//! The program as a user has it: a process, against an emulator of the service.

mod report;
mod run;
mod services;
mod support;
mod usage;
mod verbs;
