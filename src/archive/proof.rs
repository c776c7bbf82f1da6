//! What was proven of a cluster's archive, and when? `proofs/<n>.json`; the newest says everything.

use super::cluster::Cluster;
use super::layout;
use super::seal::seal;
use crate::error::{Error, Kind, Result};
use crate::model::{Micros, Seq, TableId};
use serde::{Deserialize, Serialize};

/// One object, with all that still counts of those before it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// 1, 2, 3, …; part of the object's name.
    pub number: u64,
    /// The newest of each depth.
    pub checks: Vec<Check>,
    /// What tables came to when they were read, or compared with the live server. The same moments must always come to
    /// the same.
    pub known: Vec<KnownState>,
    /// When this was written.
    pub created: Micros,
}

/// One look at the archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// `exists`, `intact`, `restorable`, or `live`: compared with the live server.
    pub depth: String,
    pub at: Micros,
    /// The newest commit then.
    pub seq: Seq,
    /// The newest manifest then; 0: it was not looked at.
    #[serde(default)]
    pub manifest: u64,
    pub objects: u64,
    /// Of these objects, as they are stored.
    pub bytes: u64,
    /// States that were rebuilt, and tables in them.
    pub moments: u64,
    pub tables: u64,
    /// What was found to be wrong. 0: nothing.
    pub faults: u64,
}

/// Tables of one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownState {
    pub seq: Seq,
    /// How rows are hashed: sums by another way cannot be compared.
    pub hash: u32,
    /// A live server had the same.
    #[serde(default)]
    pub live: bool,
    pub tables: Vec<KnownTable>,
}

/// A table's rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownTable {
    pub table: TableId,
    pub rows: u64,
    /// 64 hexadecimal digits: the sum of the rows' hashes.
    pub sum: String,
}

impl Cluster {
    /// The newest proof's number; 0: nothing was ever proven. Errors: `Io`.
    pub async fn newest_proof(&self) -> Result<u64> {
        Ok(self.newest(layout::PROOFS, 0, layout::manifest_number).await?.unwrap_or(0))
    }

    /// The newest proof; `None`: nothing was ever proven. Errors: `Corrupt`, `Io`.
    pub async fn proof(&self) -> Result<Option<Proof>> {
        let number = self.newest_proof().await?;
        if number == 0 {
            return Ok(None);
        }
        let path = self.object_path(&layout::proof(number));
        let proof: Proof = self.sealed(&path).await?;
        if proof.number != number {
            return Err(Error::corrupt(&path, format!("it says that its number is {}", proof.number)));
        }
        Ok(Some(proof))
    }

    /// Creates `proofs/<n>.json`. Errors: `Fenced` when another has that number; `Io`.
    pub async fn put_proof(&self, proof: &Proof) -> Result<()> {
        let path = self.object_path(&layout::proof(proof.number));
        self.create(&path, seal(proof)?.into()).await.map_err(|e| match e.kind {
            Kind::Fenced => {
                Error::new(Kind::Fenced, format!("cluster {} is verified by another process, too", self.name()))
                    .hint("Its proof counts; run VERIFY again if this one shall.")
            }
            _ => e,
        })
    }
}
