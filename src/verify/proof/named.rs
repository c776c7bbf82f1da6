//! Which objects must be there? What the newest lists name, and the log, each of them by name.

use super::Outcome;
use crate::archive::{BaseFile, Cluster, Folder, LogPart, Manifest, StateContent, StoredObject, Upkeep};
use crate::error::{Kind, Result};
use std::collections::BTreeMap;

/// An object that is to be looked at.
#[derive(Debug, Clone)]
pub struct Entry {
    pub what: What,
    /// Otherwise it may be deleted at any time.
    pub needed: bool,
}

/// What an object is, and so how it is read.
#[derive(Debug, Clone)]
pub enum What {
    Json,
    Part(LogPart),
    Base(BaseFile),
}

/// Everything that is named, by path relative to the cluster.
pub type Named = BTreeMap<String, Entry>;

/// What is there, by path.
pub type There = BTreeMap<String, StoredObject>;

/// The newest lists. One that cannot be read is a fault, and what it names is not known.
pub struct Lists {
    upkeep: Option<Upkeep>,
    manifest: Option<Manifest>,
    states: Vec<StateContent>,
}

impl Lists {
    /// To be read before it is looked what is there: files come before the list that names them.
    /// Errors: what concerns everything (the archive is away, or not readable for us).
    pub async fn read(cluster: &Cluster, found: &mut Outcome) -> Result<Self> {
        let upkeep = read(cluster.upkeep().await, found)?;
        let manifest = read(cluster.manifest().await, found)?.flatten();
        let mut states = Vec::new();
        for state in upkeep.iter().flat_map(|list| &list.states) {
            states.extend(read(cluster.state(state).await, found)?);
        }
        if upkeep.is_none() {
            found
                .remarks
                .push("What is needed is not known without the upkeep's list: what is there was looked at.".into());
        }
        Ok(Self { upkeep, manifest, states })
    }

    /// The number of the upkeep's list; 0: there is none.
    pub fn number(&self) -> u64 {
        self.upkeep.as_ref().map_or(0, |list| list.number)
    }

    /// The newest manifest's number; 0: it could not be read.
    pub fn manifest(&self) -> u64 {
        self.manifest.as_ref().map_or(0, |manifest| manifest.number)
    }

    /// What must be there.
    pub fn named(&self, there: &There) -> Named {
        let mut all = Named::new();
        let needed = |what| Entry { what, needed: true };
        for number in 1..=newest(there, "manifest/") {
            all.insert(format!("manifest/{number:020}.json"), needed(What::Json));
        }
        for folder in ["upkeep/", "proofs/"] {
            // older ones are deleted sooner or later; as long as they are there, they must be whole
            let last = newest(there, folder);
            let entry = |p: &String| Entry { what: What::Json, needed: Cluster::list_number(p) == Some(last) };
            all.extend(there.keys().filter(|p| p.starts_with(folder)).map(|p| (p.clone(), entry(p))));
        }
        let last = newest(there, "log/");
        for number in 1..=last {
            let part = LogPart::from(number);
            // what is in packs or before the beginning may be there still
            let needed = self.upkeep.as_ref().is_some_and(|list| !list.covers(number));
            if needed || there.contains_key(&part.object()) {
                all.insert(part.object(), Entry { what: What::Part(part), needed });
            }
        }
        let Some(list) = &self.upkeep else { return all };
        all.extend(list.parts().into_iter().map(|part| (part.object(), needed(What::Part(part)))));
        all.extend(list.states.iter().map(|state| (state.path.clone(), needed(What::Json))));
        let of_manifest = self.manifest.clone().map(|manifest| manifest.since_start(list).bases).unwrap_or_default();
        let of_states = self.states.iter().flat_map(|state| &state.bases);
        let bases = list.bases.iter().chain(&of_manifest).chain(of_states);
        all.extend(bases.flat_map(|b| &b.files).map(|file| (file.path.clone(), needed(What::Base(file.clone())))));
        all
    }
}

/// What is there.
pub async fn there(cluster: &Cluster) -> Result<There> {
    let mut all = There::new();
    for folder in Folder::ALL {
        all.extend(cluster.objects(folder).await?.into_iter().map(|o| (o.path.clone(), o)));
    }
    Ok(all)
}

/// The highest number in a numbered list; 0: it is empty.
fn newest(there: &There, folder: &str) -> u64 {
    let of = there.keys().filter(|p| p.starts_with(folder));
    of.filter_map(|p| Cluster::segment_number(p).or_else(|| Cluster::list_number(p))).max().unwrap_or(0)
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
