//! Pure protocol: octets in, values out; no clock, no I/O.
//!
//! - [`address`]: addresses, alone and in headers (RFC 5321, RFC 5322)
//! - [`smtp`]: command lines, replies, the message on the wire (RFC 5321 and its extensions)
//! - [`message`]: headers and body, dates (RFC 5322)
//! - [`sasl`]: what login mechanisms compute (RFC 2195)
//! - [`dns`]: questions, answers and zones (RFC 1035)

pub mod address;
pub mod base64;
pub mod dns;
pub mod message;
pub mod sasl;
pub mod smtp;
