//! The CUDA kernels, run on the CPU (tests/cuda): objects, verdicts on damaged ones, memory, barriers.

mod common;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use common::hostile::{damaged, lz4_at_the_end, made_pages, noise, page_of_parts, tzp_of_parts, zstd_pages};
use common::objects::{LZ4, ZSTD, check};
use common::simt::{Build, Kernel, Restored, Shim, build};
use common::{Random, corpus, cpu};
use corpus::PAGE;
use tzram::PageAlgorithm;

const EBADMSG: i32 = 74;
const TZP: u8 = 5;
/// Bits 0 to 3 of a tag name the codec; bit 4: made with a dictionary.
const CODEC: u8 = 15;
const DICT: u8 = 16;

/// Every `step`-th page, 5,000 at most, behind pages made for the ends of the format.
fn pages(step: usize) -> Vec<Vec<u8>> {
    let total: usize = corpus::load().iter().map(|set| set.bytes.len() / PAGE).sum();
    let mut pages = made_pages();
    pages.extend(corpus::sample(step.max(total.div_ceil(5000))));
    pages
}

fn borrowed(bytes: &[Vec<u8>]) -> Vec<&[u8]> {
    bytes.iter().map(Vec::as_slice).collect()
}

/// What all `pages` give in batches of many sizes, with another order of lanes for each.
fn compress(shim: &mut Shim, kernel: Kernel, level: u32, pages: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let (mut objects, mut rest, mut size) = (Vec::new(), pages, 1);
    while !rest.is_empty() {
        let (batch, after) = rest.split_at(size.min(rest.len()));
        shim.seed += 1;
        objects.extend(shim.compress(kernel, level, &borrowed(batch)).unwrap_or_else(|fault| panic!("{fault}")));
        (rest, size) = (after, size % 157 + 31);
    }
    objects
}

fn decompress(shim: &mut Shim, objects: &[Vec<u8>]) -> Vec<Restored> {
    let mut restored = Vec::new();
    for (i, batch) in objects.chunks(193).enumerate() {
        shim.seed = i as u32;
        restored.extend(shim.decompress(&borrowed(batch)).unwrap_or_else(|fault| panic!("{fault}")));
    }
    restored
}

#[test]
fn planted_mistakes_are_found() {
    for how in [Build::Fast, Build::Checked, Build::Asan] {
        let Some(program) = build(how, "selftest", &["selftest.cu", "selftest.cpp"]) else { continue };
        let output = Command::new(program).output().expect("the program just built");
        print!("{}", String::from_utf8_lossy(&output.stdout));
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

/// Of every kind of build as many pages as its speed allows.
const STEPS: [(Build, usize); 3] = [(Build::Fast, 1), (Build::Checked, 41), (Build::Asan, 29)];

#[test]
fn tzp_objects_are_those_of_the_cpu() {
    for (how, step) in STEPS {
        let Some(mut shim) = Shim::start(how) else { continue };
        let pages = pages(step);
        assert!(how != Build::Fast || pages.len() >= 1000);
        for level in 1..=4 {
            let objects = compress(&mut shim, Kernel::Tzp, level, &pages);
            let mut cpu = cpu(PageAlgorithm::Tzp, level as i32);
            for (number, (object, page)) in objects.iter().zip(&pages).enumerate() {
                let expected = cpu.compress_page(page).expect("a page always fits").data;
                assert!(*object == expected, "page {number} at level {level}");
            }
        }
    }
}

/// Checks what level 1 makes of pages, and how large it is against what the CPU makes.
fn objects_are_valid_and_as_small_as(bound: f64, kernel: Kernel, algorithm: PageAlgorithm) {
    for (how, step) in STEPS {
        let Some(mut shim) = Shim::start(how) else { continue };
        let pages = pages(step);
        let objects = compress(&mut shim, kernel, 1, &pages);
        let ratio = check(algorithm, &objects, &pages, made_pages().len());
        assert!(ratio <= bound || how != Build::Fast, "{ratio}");
    }
}

#[test]
fn lz4_objects_are_valid_and_as_small_as_those_of_the_cpu() {
    objects_are_valid_and_as_small_as(1.02, Kernel::Lz4, PageAlgorithm::Lz4);
}

#[test]
fn zstd_objects_are_valid_and_as_small_as_those_of_the_cpu() {
    objects_are_valid_and_as_small_as(1.03, Kernel::Zstd, PageAlgorithm::Zstd);
}

/// The forms of the sections of a block that were seen.
#[derive(Default)]
struct Forms {
    /// Literals: raw, with a tree; streams; whether the sizes have 14 bits; weights in 4 bits each or by states.
    literals: BTreeSet<(u8, u8, bool, bool)>,
    /// How many literals there were without a tree, and with one.
    plain: BTreeSet<usize>,
    coded: BTreeSet<usize>,
    /// How many sequences.
    sequences: BTreeSet<usize>,
    /// Kind and mode of the tables: predefined, RLE, described.
    modes: BTreeSet<(u8, u8)>,
}

impl Forms {
    /// Takes in an object of Zstandard's (RFC 8878, section 3.1.1.3).
    fn see(&mut self, object: &[u8]) {
        assert_eq!(object[1..4], [0x60, 0x00, 0x0F], "one segment of a page");
        let block = u32::from_le_bytes([object[4], object[5], object[6], 0]);
        assert_eq!((block & 7, block as usize >> 3), (5, object.len() - 7), "the last block, compressed");
        let section = &object[7..];
        let head = u64::from_le_bytes(core::array::from_fn(|i| section.get(i).copied().unwrap_or(0)));
        let (kind, format) = (head as u8 & 3, head as u8 >> 2 & 3);
        let field = |at: u32, bits: u32| (head >> at) as usize & ((1 << bits) - 1);
        let (literals, len) = match (kind, format) {
            (0, 0 | 2) => (field(3, 5), 1 + field(3, 5)),
            (0, 1) => (field(4, 12), 2 + field(4, 12)),
            (2, 0 | 1) => (field(4, 10), 3 + field(14, 10)),
            (2, 2) => (field(4, 14), 4 + field(18, 14)),
            _ => panic!("literals {kind}, {format}"),
        };
        let coded = kind == 2;
        if coded { &mut self.coded } else { &mut self.plain }.insert(literals);
        let by_states = coded && section[3 + usize::from(format == 2)] < 128;
        let streams = if coded { 1 + 3 * u8::from(format != 0) } else { 0 };
        self.literals.insert((kind, streams, coded && format == 2, by_states));
        let sequences = &section[len..];
        let (number, modes) = match sequences[0] {
            0 => (0, None),
            n @ 1..=127 => (usize::from(n), Some(sequences[1])),
            n => (usize::from(n - 128) << 8 | usize::from(sequences[1]), Some(sequences[2])),
        };
        self.sequences.insert(number);
        if let Some(modes) = modes {
            (0..3).for_each(|kind| _ = self.modes.insert((kind, modes >> (6 - 2 * kind) & 3)));
        }
    }
}

#[test]
fn zstd_objects_of_every_form_are_valid() {
    for (how, step) in STEPS {
        let Some(mut shim) = Shim::start(how) else { continue };
        let mut pages: Vec<Vec<u8>> = zstd_pages().into_iter().step_by(step.div_ceil(8)).collect();
        let mut random = Random::new(step as u64);
        pages.extend((0..3000 / step).map(|_| page_of_parts(&mut random)));
        let objects = compress(&mut shim, Kernel::Zstd, 1, &pages);
        check(PageAlgorithm::Zstd, &objects, &pages, 0);
        let mut forms = Forms::default();
        objects.iter().filter(|object| object.len() < PAGE && object[0] == ZSTD).for_each(|object| forms.see(object));
        if how == Build::Fast {
            // One stream has sizes of 10 bits. Literals of one value are those of a page of one value.
            let coded = [(1, false), (4, false), (4, true)].map(|(n, wide)| [(2, n, wide, false), (2, n, wide, true)]);
            let literals = coded.into_iter().flatten().chain([(0, 0, false, false)]);
            assert_eq!(forms.literals, literals.collect());
            let seen = |set: &BTreeSet<usize>, wanted: &[usize]| wanted.iter().all(|number| set.contains(number));
            assert!(seen(&forms.plain, &[2, 31, 32, 319, 1023, 1024, 2047, 2048]), "{:?}", forms.plain);
            assert!(seen(&forms.coded, &[320, 511, 512, 1023, 1024, 2047, 2048]), "{:?}", forms.coded);
            assert!(forms.coded.first() == Some(&320) && forms.coded.last() > Some(&4000), "{:?}", forms.coded);
            assert!(seen(&forms.sequences, &[0, 1, 31, 32, 33, 127, 128, 255, 256]), "{:?}", forms.sequences);
            assert!(forms.sequences.last() > Some(&500), "{:?}", forms.sequences);
            let modes = (0..3).flat_map(|kind| (0..3).map(move |mode| (kind, mode)));
            assert_eq!(forms.modes, modes.collect());
        }
    }
}

#[test]
fn objects_do_not_depend_on_the_order_of_lanes_and_pages() {
    let Some(mut shim) = Shim::start(Build::Fast) else { return };
    let mut pages = pages(29);
    for kernel in [Kernel::Tzp, Kernel::Lz4, Kernel::Zstd] {
        let first = compress(&mut shim, kernel, 1, &pages);
        for round in 0..4 {
            shim.seed = 1000 + 100 * round;
            assert!(compress(&mut shim, kernel, 1, &pages) == first, "{kernel:?}");
        }
        pages.reverse();
        let mut turned = compress(&mut shim, kernel, 1, &pages);
        turned.reverse();
        assert!(turned == first, "{kernel:?}");
        pages.reverse();
    }
}

#[test]
fn pages_are_restored() {
    for (how, step) in STEPS {
        let Some(mut shim) = Shim::start(how) else { continue };
        let pages = pages(2 * step);
        for (algorithm, level) in [
            (PageAlgorithm::Tzp, 1),
            (PageAlgorithm::Tzp, 4),
            (PageAlgorithm::Lz4, 1),
            (PageAlgorithm::Lz4, 4),
            (PageAlgorithm::Lz4, 9),
        ] {
            let mut cpu = cpu(algorithm, level);
            let objects: Vec<_> =
                pages.iter().map(|page| cpu.compress_page(page).expect("a page always fits").data).collect();
            for (number, (restored, page)) in decompress(&mut shim, &objects).iter().zip(&pages).enumerate() {
                assert!(restored.as_ref() == Ok(page), "page {number}, {algorithm:?} at level {level}");
            }
        }
    }
}

#[test]
fn damaged_objects_get_the_verdict_of_the_cpu() {
    for (how, rounds) in [(Build::Fast, 6000), (Build::Checked, 500), (Build::Asan, 800)] {
        let Some(mut shim) = Shim::start(how) else { continue };
        let mut random = Random::new(rounds);
        let pages = pages(31);
        let mut cpus = [cpu(PageAlgorithm::Tzp, 2), cpu(PageAlgorithm::Lz4, 1), cpu(PageAlgorithm::Lz4, 9)];
        let sound: Vec<Vec<u8>> = pages
            .iter()
            .enumerate()
            .map(|(i, page)| cpus[i % 3].compress_page(page).expect("a page always fits").data)
            .filter(|object| object.len() < PAGE)
            .collect();
        let mut objects = Vec::new();
        for _ in 0..rounds {
            let which = random.below(sound.len());
            objects.push(damaged(&mut random, &sound[which]));
            objects.push(noise(&mut random));
            objects.push(lz4_at_the_end(&mut random));
            objects.push(tzp_of_parts(&mut random));
        }
        // Every length of some.
        for object in sound.iter().filter(|object| object.len() < 200).take(if how == Build::Fast { 40 } else { 8 }) {
            objects.extend((0..object.len()).map(|len| object[..len].to_vec()));
        }
        objects.push(vec![]);
        objects.push(vec![7; PAGE]);

        let mut counts = [[0; 2]; 3];
        for (object, restored) in objects.iter().zip(decompress(&mut shim, &objects)) {
            let tag = object.first().copied().unwrap_or(0);
            // The engine keeps these to itself.
            let for_cpu = object.len() < PAGE && (tag & DICT != 0 || tag & CODEC == ZSTD);
            let expected = cpus[0].decompress_page(object).ok().filter(|_| !for_cpu).ok_or(-EBADMSG);
            assert!(restored == expected, "{:?} not {:?}: {object:02x?}", restored.err(), expected.err());
            counts[usize::from(tag & CODEC == TZP) + 2 * usize::from(tag & CODEC == LZ4)]
                [usize::from(expected.is_ok())] += 1;
        }
        println!("other, tzp, LZ4: [refused, decoded] {counts:?}");
        assert!(counts[1..].iter().flatten().all(|&count| count > rounds / 20), "{counts:?}");
    }
}

#[test]
fn entries_outside_the_objects_are_refused() {
    let Some(mut shim) = Shim::start(Build::Checked) else { return };
    let mut page = vec![0; PAGE];
    page[100] = 1;
    let object = cpu(PageAlgorithm::Tzp, 2).compress_page(&page).expect("a page always fits").data;
    let mut bytes = object.clone();
    bytes.resize(object.len().next_multiple_of(16), 0);
    bytes.extend(&object);
    let (len, all) = (object.len() as u32, bytes.len() as u32);
    let second = all - len;
    for [offset, length] in [
        [0, 0],
        [0, PAGE as u32],
        [0, PAGE as u32 + 1],
        [0, u32::MAX],
        [0, all + 1],
        [second, len + 1],
        [second + 16, len],
        [all.next_multiple_of(16), len],
        [all.next_multiple_of(16), 0],
        [!15, len],
        [!15, 16],
        [0x8000_0000, len],
        [second + 8, len],
        [4, 2],
    ] {
        let restored = shim.decompress_from(&bytes, &[second, len, offset, length, 0, len]);
        let restored = restored.unwrap_or_else(|fault| panic!("{offset}, {length}: {fault}"));
        assert!(restored[0].as_ref() == Ok(&page) && restored[2].as_ref() == Ok(&page), "{offset}, {length}");
        assert_eq!(restored[1], Err(-EBADMSG), "{offset}, {length}");
    }
}

/// The lines of the kernels' sources on which there is a barrier.
fn barriers_in_sources() -> BTreeSet<(String, u32)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cuda/kernels");
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(&folder).expect("the kernels") {
        let path = entry.expect("a folder entry").path();
        if !path.extension().is_some_and(|end| end == "cu" || end == "cuh") {
            continue;
        }
        let name = path.file_name().expect("a file name").to_string_lossy().into_owned();
        for (number, line) in std::fs::read_to_string(&path).expect("a text").lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            let barriers = ["WARP_BARRIER()", "__syncwarp(", "__syncthreads("];
            if !code.starts_with("#define") && barriers.iter().any(|barrier| code.contains(barrier)) {
                assert_eq!(
                    barriers.map(|barrier| code.matches(barrier).count()).iter().sum::<usize>(),
                    1,
                    "{name}: {line}"
                );
                found.insert((name.clone(), number as u32 + 1));
            }
        }
    }
    found
}

/// Runs all kernels; the first fault, or what is wrong with the result.
fn run_all(shim: &mut Shim, pages: &[Vec<u8>], objects: &[Vec<u8>]) -> Result<(), String> {
    for seed in 0..3 {
        shim.seed = seed;
        for (kernel, level) in [(Kernel::Tzp, 1), (Kernel::Tzp, 4), (Kernel::Lz4, 1), (Kernel::Zstd, 1)] {
            let made = shim.compress(kernel, level, &borrowed(pages))?;
            let mut cpu = cpu(PageAlgorithm::Tzp, level as i32);
            for (object, page) in made.iter().zip(pages) {
                let expected = cpu.compress_page(page).expect("a page always fits").data;
                if (kernel == Kernel::Tzp && *object != expected) || cpu.decompress_page(object).as_ref() != Ok(page) {
                    return Err(format!("wrong object of {kernel:?}"));
                }
            }
        }
        let restored = shim.decompress(&borrowed(objects))?;
        if restored.iter().zip(pages.iter().cycle()).any(|(restored, page)| restored.as_ref() != Ok(page)) {
            return Err("wrong page".into());
        }
    }
    Ok(())
}

/// The proof that barriers are tested: each one, left out, is noticed.
#[test]
fn every_barrier_is_needed() {
    let Some(mut shim) = Shim::start(Build::Checked) else { return };
    let pages = pages(233);
    let mut objects = Vec::new();
    for algorithm in [PageAlgorithm::Tzp, PageAlgorithm::Lz4] {
        let mut cpu = cpu(algorithm, 2);
        objects.extend(pages.iter().map(|page| cpu.compress_page(page).expect("a page always fits").data));
    }
    shim.leave_out(None);
    run_all(&mut shim, &pages, &objects).expect("nothing is left out");
    let executed: BTreeSet<_> = shim.barriers().into_iter().collect();
    assert_eq!(executed, barriers_in_sources(), "executed, written");

    let list = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cuda/barriers-not-needed"));
    let mut not_needed: BTreeSet<(String, usize)> = BTreeSet::new();
    for line in list.expect("the list").lines().filter(|line| !line.starts_with('#')) {
        let mut words = line.split_whitespace();
        let (file, number) = (words.next().expect("a file"), words.next().expect("a number"));
        assert!(words.next().is_some(), "no reason: {line}");
        not_needed.insert((file.to_owned(), number.parse().expect("a number")));
    }
    let mut wrong = Vec::new();
    for barrier in &executed {
        shim.leave_out(Some(barrier));
        let found = run_all(&mut shim, &pages, &objects);
        let number = executed.iter().filter(|other| other.0 == barrier.0 && other.1 <= barrier.1).count();
        println!(
            "{} line {}, barrier {number}: {}",
            barrier.0,
            barrier.1,
            found.as_ref().err().map_or("not found", |found| found)
        );
        if found.is_ok() != not_needed.contains(&(barrier.0.clone(), number)) {
            wrong.push((barrier, number));
        }
    }
    assert!(wrong.is_empty(), "found though listed, or not found and not listed: {wrong:?}");
    assert!(not_needed.len() < executed.len());
}
