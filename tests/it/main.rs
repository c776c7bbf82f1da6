//! Everything that needs more than one folder, a real server or a real client. One binary, so that it links once.

mod capture;
mod check;
mod clients;
mod faults;
mod golden;
mod house;
mod oracle;
mod restore;
mod story;
mod support;
mod timeline;
