//! Chunk ids that can be minted again: the run's random id mixed with the place of the chunk's
//! records.

use serde::{Deserialize, Serialize};
use uuid::{Builder, Uuid};

/// Names one run, and mints the ids of its chunks.
///
/// An id is a UUID (version 8): the run's random bits, combined with the number of the first record
/// and the number of records. So an id is minted once, a resumed run mints the same ones without
/// having stored them, and an id can be read back into the records that it stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct RunId(Uuid);

/// The bits of a UUID that its version and variant leave free, as two parts: 60 bits above the
/// variant, 62 below.
const FIRST_BITS: u32 = 62;
const COUNT_BITS: u32 = 32;

impl RunId {
    /// A run of its own, from random bits.
    pub(crate) fn from_random(bits: u128) -> Self {
        Self(Builder::from_custom_bytes(bits.to_be_bytes()).into_uuid())
    }

    /// The id of the chunk of `records` records that begins with record number `first`.
    pub(crate) fn mint(self, first: u64, records: u64) -> Uuid {
        let mask = (u128::from(records & ((1 << COUNT_BITS) - 1)) << 80)
            | u128::from(first & ((1 << FIRST_BITS) - 1));
        Builder::from_custom_bytes((self.0.as_u128() ^ mask).to_be_bytes()).into_uuid()
    }

    /// The first record number and the number of records of a chunk id, if this run can have minted
    /// it.
    pub(crate) fn read(self, id: Uuid) -> Option<(u64, u64)> {
        let mask = self.0.as_u128() ^ id.as_u128();
        let first = mask as u64 & ((1 << FIRST_BITS) - 1);
        let records = (mask >> 80) as u64 & ((1 << COUNT_BITS) - 1);
        (records > 0 && self.mint(first, records) == id).then_some((first, records))
    }

    /// A seed for numbers that need only look random, such as jitter.
    pub(crate) fn seed(self) -> u64 {
        let (high, low) = self.0.as_u64_pair();
        high ^ low
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_a_valid_uuid_and_reads_back() {
        let run = RunId::from_random(0x1234_5678_9abc_def0_0fed_cba9_8765_4321);
        for (first, records) in [
            (0, 1),
            (0, 200),
            (200, 200),
            (1 << 40, 7),
            ((1 << 62) - 1, u64::from(u32::MAX)),
        ] {
            let id = run.mint(first, records);
            assert_eq!(id.get_version_num(), 8);
            assert_eq!(id.get_variant(), uuid::Variant::RFC4122);
            assert_eq!(run.read(id), Some((first, records)));
        }
    }

    #[test]
    fn other_ids_are_not_ours() {
        let run = RunId::from_random(1 << 100 | 7);
        let other = RunId::from_random(0xdead_beef_dead_beef_dead_beef_dead_beef);
        assert_eq!(run.read(other.mint(0, 200)), None);
        assert_eq!(run.read(Uuid::nil()), None);
        assert_eq!(
            run.read(run.mint(0, 0)),
            None,
            "a chunk of no records is never minted"
        );
    }
}
