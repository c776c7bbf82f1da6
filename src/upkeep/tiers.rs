//! Which neighbours become one pack?
//!
//! Parts of the log have a level: segments 0, a pack of about eight parts of one level the next. A run of neighbours of
//! one level becomes a pack when there are enough of them, or when no more would fit; so each byte is written again
//! once per level, and a first run over many segments makes the largest packs at once. A transaction that goes on in
//! the next segment is never split.

use super::options::Options;
use std::ops::Range;

/// Commits of one pack: readers hold its footer in memory while they read it.
const PACK_COMMITS: usize = 1 << 18;

/// A part of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Piece {
    pub level: u32,
    pub bytes: u64,
    pub commits: usize,
    /// Its last transaction goes on in the next one.
    pub continues: bool,
}

/// The next pieces that become one, and its level.
pub(super) fn next(pieces: &[Piece], options: &Options) -> Option<(Range<usize>, u32)> {
    let fan_in = options.fan_in.max(2);
    let mut from = 0;
    while from < pieces.len() {
        let level = pieces[from].level;
        let run = pieces[from..].iter().take_while(|p| p.level == level).count();
        let (mut bytes, mut commits, mut taken, mut whole) = (0, 0, 0, 0);
        for piece in &pieces[from..from + run] {
            bytes += piece.bytes;
            commits += piece.commits;
            if bytes > options.pack_bytes || commits > PACK_COMMITS {
                break;
            }
            taken += 1;
            if !piece.continues {
                whole = taken;
            }
        }
        let full = taken < run;
        if whole >= fan_in || (full && whole >= 2) {
            return Some((from..from + whole, level + whole.ilog(fan_in).max(1)));
        }
        // what is full already, or a transaction too large for a pack
        from += if full { whole.max(1) } else { run };
        while from > 0 && from < pieces.len() && pieces[from - 1].continues {
            from += 1;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(level: u32, bytes: u64) -> Piece {
        Piece { level, bytes, commits: 1, continues: false }
    }

    fn options(fan_in: usize, pack_bytes: u64) -> Options {
        Options { fan_in, pack_bytes, ..Options::default() }
    }

    /// Merges until nothing is left to do; returns the bytes that were written.
    fn settle(pieces: &mut Vec<Piece>, options: &Options) -> u64 {
        let mut written = 0;
        while let Some((range, level)) = next(pieces, options) {
            assert!(range.len() >= 2, "{range:?}");
            assert!(!pieces[range.end - 1].continues && (range.start == 0 || !pieces[range.start - 1].continues));
            let (bytes, commits) = pieces[range.clone()].iter().fold((0, 0), |(b, c), p| (b + p.bytes, c + p.commits));
            written += bytes;
            pieces.splice(range, [Piece { level, bytes, commits, continues: false }]);
        }
        written
    }

    #[test]
    fn each_byte_is_written_about_once_per_level() {
        let options = options(8, 1 << 20);
        let (mut pieces, mut written) = (Vec::new(), 0);
        for _ in 0..10_000 {
            pieces.push(piece(0, 1000));
            written += settle(&mut pieces, &options);
        }
        assert!(pieces.len() < 40, "{} parts are left", pieces.len());
        assert!(written < 5 * 10_000_000, "{written} bytes were written");
        assert!(pieces.iter().all(|p| p.bytes <= 1 << 20));
    }

    #[test]
    fn many_segments_become_large_packs_at_once() {
        let mut pieces = vec![piece(0, 1000); 5000];
        assert_eq!(settle(&mut pieces, &options(8, 1 << 20)), 5_000_000 - pieces.last().map_or(0, |_| 0));
        assert!(pieces.len() <= 5, "{}", pieces.len());
    }

    #[test]
    fn a_transaction_is_never_split() {
        let open = |bytes| Piece { continues: true, ..piece(0, bytes) };
        // the last one goes on in a segment that is not there yet
        let mut pieces = vec![piece(0, 1), open(1), piece(0, 1), open(1)];
        assert_eq!(next(&pieces, &options(2, 100)), Some((0..3, 1)));
        // one that is too large for a pack stays as it is, and what follows it is merged
        pieces = vec![open(60), open(60), piece(0, 60), piece(0, 1), piece(0, 1)];
        assert_eq!(next(&pieces, &options(2, 100)), Some((3..5, 1)));
        pieces = vec![open(60), open(60)];
        assert_eq!(next(&pieces, &options(2, 100)), None);
    }

    #[test]
    fn what_is_large_enough_is_left_alone() {
        assert_eq!(next(&[piece(2, 90), piece(2, 90), piece(1, 5)], &options(2, 100)), None);
        assert_eq!(next(&[piece(1, 40), piece(1, 40), piece(1, 40)], &options(8, 100)), Some((0..2, 2)));
        assert_eq!(next(&[piece(1, 1); 7], &options(8, 100)), None);
        assert_eq!(next(&[], &options(8, 100)), None);
    }
}
