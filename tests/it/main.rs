//! Everything that needs more than one folder, a real server or a real client. One binary, so that it links once.

mod across;
mod binlog;
mod capture;
mod cascade;
mod check;
mod chosen;
mod clients;
mod damage;
mod ddl;
mod dump;
mod faults;
mod golden;
mod house;
mod import;
mod meaning;
mod mid_stream;
mod mysql;
mod odd;
mod oracle;
mod query;
mod restore;
mod soak;
mod story;
mod support;
mod timeline;
mod wire;
