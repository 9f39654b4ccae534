//! tzp against docs/TZP.md: a decoder written from that page alone is the oracle for every kernel.

mod common;

use common::{Random, corpus, guarded::Guarded};
use tzram::{Backend, Error, PageCodec, PageCompressor};

/// Tag of a tzp object (docs/FORMAT.md).
const TAG: u8 = 5;
const SETS: [u8; 16] = [0xff, 0xfe, 0xfc, 0xf8, 0xf0, 0xc0, 0x80, 0x00, 0x0f, 0xcf, 0xcc, 0x88, 0xaa, 0x01, 0xef, 0x3f];

/// Appends the page of a block to the pages before it in the unit, or says that the block is not valid.
fn naive_block(block: &[u8], unit: &mut Vec<u8>) -> Option<()> {
    let n = block.len();
    if !(32..=4095).contains(&n) || (unit.is_empty() && block[n - 16] & 1 != 0) {
        return None;
    }
    let in_a = |c: usize| block[n - 32 + c / 8] >> (c % 8) & 1 == 1;
    let in_b = |c: usize| block[n - 16 + c / 8] >> (c % 8) & 1 == 1;
    let na = (0..128).filter(|&c| in_a(c)).count();
    let nb = (0..128).filter(|&c| in_b(c)).count();
    let l = n.checked_sub(32 + nb + 2 * na)?;
    let mut literals = block[..l].iter();
    let mut codes = block[l..l + 2 * na].iter();
    let mut offsets = block[l + 2 * na..n - 32].iter();
    let mut v = 0;
    for c in 0..128 {
        let code = if in_a(c) { [*codes.next()?, *codes.next()?] } else { [0, 0] };
        if in_b(c) {
            v = usize::from(*offsets.next()?);
        }
        if v != 0 && 8 * (v + 3) > unit.len() {
            return None;
        }
        for j in 0..32 {
            let nibble = code[j / 16] >> (j / 8 % 2 * 4) & 15;
            if SETS[usize::from(nibble)] >> (j % 8) & 1 == 0 {
                unit.push(*literals.next()?);
            } else {
                unit.push(if v == 0 { 0 } else { unit[unit.len() - 8 * (v + 3)] });
            }
        }
    }
    literals.next().is_none().then_some(())
}

/// The unit of `bytes` bytes, or `None`.
fn naive_unit(mut coded: &[u8], bytes: usize) -> Option<Vec<u8>> {
    let mut unit = Vec::new();
    if bytes == 4096 {
        naive_block(coded, &mut unit)?;
        return Some(unit);
    }
    let (lengths, rest) = coded.split_at_checked(bytes / 4096 * 2)?;
    coded = rest;
    for length in lengths.chunks(2) {
        let (part, rest) = coded.split_at_checked(usize::from(length[0]) + 256 * usize::from(length[1]))?;
        if part.len() == 4096 {
            unit.extend(part);
        } else {
            naive_block(part, &mut unit)?;
        }
        coded = rest;
    }
    coded.is_empty().then_some(unit)
}

fn backends() -> Vec<Backend> {
    Backend::ALL.into_iter().filter(|backend| backend.is_supported()).collect()
}

fn make(backend: Backend, level: i32, unit: usize) -> PageCompressor<'static> {
    let builder = PageCompressor::builder().driver("tzp").level(level).backend(backend).page_size(unit);
    builder.build().expect("supported")
}

/// The block of the worked example.
fn example() -> (Vec<u8>, Vec<u8>) {
    let run: Vec<u8> = (1..=32).collect();
    let mut page = vec![0; 4096];
    page[0] = 0x2a;
    page[64..96].copy_from_slice(&run);
    page[128..160].copy_from_slice(&run);
    page[136] = 0x77;
    let mut block = vec![0x2a];
    block.extend(&run);
    block.extend([0x77, 0x01, 0x00, 0x77, 0x77, 0x10, 0x00, 0x05, 0x00]);
    block.extend([&[0x15][..], &[0; 15], &[0x30], &[0; 15]].concat());
    (block, page)
}

#[test]
fn the_worked_example_is_what_the_page_says() {
    let (block, page) = example();
    assert_eq!(block.len(), 74);
    assert_eq!(naive_unit(&block, 4096).as_ref(), Some(&page));
    let object = [&[TAG][..], &block].concat();
    for backend in backends() {
        assert_eq!(make(backend, 1, 4096).decompress_page(&object).as_ref(), Ok(&page));
    }
}

#[test]
fn every_block_is_the_same_on_every_backend_and_the_oracle_reads_it() {
    let pages: Vec<Vec<u8>> = corpus::sample(1).into_iter().filter(|page| !corpus::same_filled(page)).collect();
    for level in 1..=4 {
        let mut all: Vec<_> = backends().into_iter().map(|backend| make(backend, level, 4096)).collect();
        let (mut from, mut back) = (Guarded::new(4096), Guarded::new(4096));
        for (i, page) in pages.iter().enumerate() {
            let objects: Vec<_> =
                all.iter_mut().map(|c| c.compress_page(from.hold(page)).expect("a page always fits")).collect();
            assert!(objects.iter().all(|object| *object == objects[0]), "level {level}, page {i}");
            if objects[0].algorithm_used == PageCodec::Tzp {
                assert_eq!(naive_unit(&objects[0].data[1..], 4096).as_ref(), Some(page), "level {level}, page {i}");
            }
            for compressor in &mut all {
                let back = back.tail(4096);
                compressor.decompress_page_into(from.hold(&objects[0].data), back).expect("our own object");
                assert_eq!(back, page, "level {level}, page {i}");
            }
        }
    }
}

#[test]
fn units_are_the_same_on_every_backend_and_the_oracle_reads_them() {
    for unit in [8192, 16384, 32768, 65536] {
        let mut all: Vec<_> = backends().into_iter().map(|backend| make(backend, 3, unit)).collect();
        for set in corpus::load() {
            for bytes in set.bytes.chunks_exact(unit).step_by(3) {
                let objects: Vec<_> =
                    all.iter_mut().map(|c| c.compress_page(bytes).expect("a unit always fits")).collect();
                assert!(objects.iter().all(|object| *object == objects[0]));
                if objects[0].algorithm_used == PageCodec::Tzp {
                    assert_eq!(naive_unit(&objects[0].data[1..], unit).as_deref(), Some(bytes));
                }
            }
        }
    }
}

/// Damages `block` in one of several ways; most of the damage is to flags, codes and offsets.
fn damage(random: &mut Random, block: &mut Vec<u8>) {
    let n = block.len();
    let tail = n - n.min(200);
    match random.below(7) {
        0 => block[random.below(n)] ^= 1 << random.below(8),
        1 => block[tail + random.below(n - tail)] = random.next() as u8,
        2 => {
            // Two flags change places: the lengths may stay right.
            let (a, b) = (n - 1 - random.below(n.min(32)), n - 1 - random.below(n.min(32)));
            block.swap(a, b);
        }
        3 => {
            let (a, b) = (tail + random.below(n - tail), tail + random.below(n - tail));
            block.swap(a, b);
        }
        4 => block.truncate(random.below(n)),
        5 => {
            let at = random.below(n);
            let keep = block[at..].to_vec();
            block.truncate(at);
            block.extend((0..random.below(40)).map(|_| random.next() as u8));
            block.extend(keep);
        }
        _ => {
            for _ in 0..6 {
                let at = tail + random.below(n - tail);
                block[at] = random.next() as u8;
            }
        }
    }
}

/// Runs `count` damaged blocks through every backend and the oracle.
fn mutants(seed: u64, count: usize, unit: usize) {
    let mut random = Random::new(seed);
    let sample: Vec<Vec<u8>> = if unit == 4096 {
        corpus::sample(37)
    } else {
        corpus::load().iter().flat_map(|set| set.bytes.chunks_exact(unit).take(3).map(<[u8]>::to_vec)).collect()
    };
    let mut writer = make(Backend::Scalar, 3, unit);
    let mut blocks: Vec<Vec<u8>> = sample
        .iter()
        .map(|page| writer.compress_page(page).expect("a page always fits"))
        .filter(|object| object.algorithm_used == PageCodec::Tzp)
        .map(|object| object.data[1..].to_vec())
        .collect();
    if unit == 4096 {
        blocks.push(example().0);
    }
    let mut readers: Vec<_> = backends().into_iter().map(|backend| make(backend, 1, unit)).collect();
    // 64 bytes that must not change before the destination, an inaccessible page behind; the block ends at one too.
    let (mut from, mut into) = (Guarded::new(unit + 64), Guarded::new(unit + 64));
    let (mut accepted, mut refused) = (0, 0);
    for round in 0..count {
        let mut object = blocks[random.below(blocks.len())].clone();
        for _ in 0..=random.below(2) {
            if !object.is_empty() {
                damage(&mut random, &mut object);
            }
        }
        object.insert(0, TAG);
        if object.len() >= unit {
            continue;
        }
        let want = naive_unit(&object[1..], unit);
        if want.is_some() {
            accepted += 1;
        } else {
            refused += 1;
        }
        let held = from.hold(&object);
        for reader in &mut readers {
            let around = into.tail(unit + 64);
            around[..64].fill(0xC3);
            let result = reader.decompress_page_into(held, &mut around[64..]);
            assert_eq!(result, if want.is_some() { Ok(()) } else { Err(Error::Corrupt) }, "round {round}");
            assert!(around[..64].iter().all(|&byte| byte == 0xC3), "round {round}");
            if let Some(page) = &want {
                assert!(around[64..] == page[..], "round {round}");
            }
        }
        assert!(held == object, "round {round}");
    }
    assert!(accepted * 50 > count && refused * 4 > count, "{accepted} accepted, {refused} refused");
}

#[test]
fn damaged_blocks_get_the_oracles_verdict_and_bytes_from_every_backend() {
    // More on demand: TZRAM_MUTANTS is the number.
    let count = std::env::var("TZRAM_MUTANTS").ok().and_then(|count| count.parse().ok()).unwrap_or(220_000);
    mutants(1, count, 4096);
}

#[test]
fn damaged_units_get_the_oracles_verdict_and_bytes_from_every_backend() {
    mutants(2, 4000, 16384);
}

#[test]
fn a_block_of_a_later_version_or_with_a_dictionary_is_refused() {
    let (mut block, _) = example();
    for backend in backends() {
        let mut reader = make(backend, 1, 4096);
        let mut object = [&[TAG | 0x10, 1, 0, 0, 0][..], &block].concat();
        assert_eq!(reader.decompress_page(&object), Err(Error::Corrupt));
        // Bit 0 of byte n - 16, with an offset byte for it.
        let n = block.len();
        block[n - 16] |= 1;
        object = [&[TAG][..], &block[..40], &[0], &block[40..]].concat();
        assert_eq!(reader.decompress_page(&object), Err(Error::Corrupt));
        block[n - 16] &= !1;
    }
}
