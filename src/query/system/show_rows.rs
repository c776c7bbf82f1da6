//! What does each SHOW answer?

use super::listing::Listing;
use super::scene::Scene;
use super::show::Show;
use crate::error::{Error, Kind, Result};

impl Show {
    /// The answer, of the scene's moment.
    /// Errors: `NoDatabase`, `UnknownDatabase`, `UnknownTable`, `UnknownColumn`, `Unsupported`.
    pub fn answer(&self, _scene: &Scene) -> Result<Listing> {
        Err(Error::new(Kind::Unsupported, "not built yet"))
    }
}
