//! Which objects must be there? What the newest lists name, and the log, each of them by name.

use super::Outcome;
use crate::archive::{BaseFile, Cluster, Folder, LogPart, StoredObject};
use crate::error::{Kind, Result};
use std::collections::{BTreeMap, BTreeSet};

/// What an object is, and so how it is read.
#[derive(Debug, Clone)]
pub enum What {
    Json,
    Part(LogPart),
    Base(BaseFile),
}

/// Everything that is named, by path relative to the cluster.
pub type Named = BTreeMap<String, What>;

/// What is there, by path.
pub type There = BTreeMap<String, StoredObject>;

pub async fn there(cluster: &Cluster) -> Result<There> {
    let mut all = There::new();
    for folder in Folder::ALL {
        all.extend(cluster.objects(folder).await?.into_iter().map(|o| (o.path.clone(), o)));
    }
    Ok(all)
}

/// What must be there. A list that cannot be read is a fault, and what it names is not known then.
/// Errors: what concerns everything (the archive is away, or not readable for us).
pub async fn named(cluster: &Cluster, there: &There, found: &mut Outcome) -> Result<Named> {
    let mut all = Named::new();
    let manifests = numbers(there, "manifest/");
    for number in 1..=manifests.last().copied().unwrap_or(0) {
        all.insert(format!("manifest/{number:020}.json"), What::Json);
    }
    for folder in ["upkeep/", "proofs/"] {
        // older ones are deleted sooner or later; as long as they are there, they must be whole
        all.extend(there.keys().filter(|p| p.starts_with(folder)).map(|p| (p.clone(), What::Json)));
    }
    let list = read(cluster.upkeep().await, found)?.unwrap_or_default();
    let begins = list.begins_after();
    let packs: BTreeSet<LogPart> = list.parts().into_iter().collect();
    all.extend(packs.iter().map(|part| (part.object(), What::Part(*part))));
    let last = numbers(there, "log/").last().copied().unwrap_or(0);
    let packed = |number: u64| packs.iter().any(|p| p.first <= number && number <= p.last);
    for number in 1..=last {
        let part = LogPart::from(number);
        // what is in packs or before the beginning may be there still
        if number > begins && !packed(number) || there.contains_key(&part.object()) {
            all.insert(part.object(), What::Part(part));
        }
    }
    let mut bases: Vec<_> = list.bases.iter().flat_map(|b| b.files.clone()).collect();
    if let Some(manifest) = read(cluster.manifest().await, found)?.flatten() {
        let manifest = manifest.since_start(&list);
        bases.extend(manifest.bases.iter().flat_map(|b| b.files.clone()));
    }
    for state in &list.states {
        all.insert(state.path.clone(), What::Json);
        if let Some(content) = read(cluster.state(state).await, found)? {
            bases.extend(content.bases.iter().flat_map(|b| b.files.clone()));
        }
    }
    all.extend(bases.into_iter().map(|file| (file.path.clone(), What::Base(file))));
    Ok(all)
}

fn numbers(there: &There, folder: &str) -> Vec<u64> {
    let of = there.keys().filter(|p| p.starts_with(folder));
    let number = |p: &String| Cluster::segment_number(p).or_else(|| Cluster::list_number(p));
    let mut all: Vec<u64> = of.filter_map(number).collect();
    all.sort_unstable();
    all
}

/// What is read of one object: damage is a fault of that object, everything else concerns all.
pub fn read<T>(result: Result<T>, found: &mut Outcome) -> Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind == Kind::Corrupt => {
            found.fault(error.message);
            Ok(None)
        }
        Err(error) => Err(error),
    }
}
