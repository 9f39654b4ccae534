//! Pages and objects made for the ends of the formats, and damaged objects.

use super::Random;
use super::corpus::PAGE;

const LZ4: u8 = 3;
const TZP: u8 = 5;

/// Same-filled pages and almost such, noise with a beginning, an end or a period that is not, steps of the size of chunks.
pub fn made_pages() -> Vec<Vec<u8>> {
    let mut random = Random::new(7);
    let mut noise = || -> Vec<u8> { (0..PAGE).map(|_| random.next() as u8).collect() };
    let mut pages = vec![vec![0; PAGE], vec![0xA7; PAGE], noise()];
    pages.push(b"\x03\x14\x25\x36\x47\x58\x69\x7a".repeat(PAGE / 8));
    pages.push(b"abab".repeat(PAGE / 4));
    for (fill, at) in [(0, 0), (0, 17), (0, PAGE - 1), (0xFF, PAGE - 1), (1, 4090), (1, 8)] {
        let mut page = vec![fill; PAGE];
        page[at] ^= 0x80;
        pages.push(page);
    }
    let periods =
        [1, 2, 3, 4, 5, 7, 8, 9, 12, 16, 17, 24, 31, 32, 33, 40, 63, 64, 127, 128, 129, 255, 1000, 2064, 2065, 2072];
    for period in periods {
        let noise = noise();
        pages.push((0..PAGE).map(|i| noise[i % period]).collect());
        // Such a period, with a byte here and there that is none of it.
        pages.push((0..PAGE).map(|i| noise[i % period] ^ u8::from(noise[i] < 4)).collect());
    }
    // Just about incompressible: the less noise, the shorter.
    for zeros in
        [1, 4, 8, 16, 20, 24, 28, 32, 33, 34, 35, 36, 40, 48, 64, 128, 512, 2048, 4000, 4064, 4080, 4083, 4084, 4091]
    {
        for at in [0, (PAGE - zeros) / 2, PAGE - zeros] {
            let mut page = noise();
            page[at..at + zeros].fill(0);
            pages.push(page);
        }
    }
    pages
}

/// Pages round the limits of Zstandard's sections: numbers of literals and of sequences, and shapes of trees.
pub fn zstd_pages() -> Vec<Vec<u8>> {
    let mut random = Random::new(9);
    let mut pages = Vec::new();
    // Literals without matches, if the alphabet is large, then zeros.
    let mut literals = |count: usize, value: &mut dyn FnMut(&mut Random) -> usize| {
        let mut page = vec![0; PAGE];
        page[..count].iter_mut().for_each(|byte| *byte = value(&mut random) as u8);
        pages.push(page);
    };
    for limit in [2, 32, 128, 320, 512, 1024, 2048, 4095] {
        // The first zero is one, too.
        for count in limit - 2..=limit {
            for alphabet in [24, 64, 90, 110, 256] {
                literals(count, &mut |random| 255 - random.below(alphabet));
            }
        }
    }
    for count in [340, 700, 1500, 3000] {
        for alphabet in [1, 2, 3, 4, 5, 40, 127, 128, 129, 130, 131, 200, 255, 256] {
            literals(count, &mut |random| random.below(alphabet));
            literals(count, &mut |random| 255 - random.below(alphabet).min(random.below(alphabet)));
        }
        // Each value half as often as the one before it.
        for stretch in [1, 2, 17] {
            literals(count, &mut |random| stretch * random.next().trailing_zeros() as usize);
        }
        // All values equally often.
        let mut next = 0;
        literals(count, &mut |_| {
            next += 89;
            next
        });
    }
    // Words of a few, some of them with something between them.
    for words in [1, 2, 3, 20, 127, 128, 129, 255, 256, 257, 400, 600, 800, 1000] {
        for (few, between) in [(2, 0), (16, 0), (16, 1), (64, 0), (64, 1), (64, 3), (200, 2)] {
            let known: Vec<[u8; 4]> = (0..few).map(|_| (random.next() as u32).to_le_bytes()).collect();
            let mut page = known.concat();
            for _ in 0..words {
                page.extend(known[random.below(few)]);
                (0..random.below(between + 1)).for_each(|_| page.push(random.next() as u8));
            }
            page.resize(PAGE, 0);
            pages.push(page);
        }
    }
    // So many matches, each of six bytes behind one, and that of the zeros; some of them may not be found.
    let known: Vec<[u8; 6]> =
        (0..60).map(|_| random.next().to_le_bytes()[..6].try_into().expect("six bytes")).collect();
    let near = [2, 32, 64, 128, 256, 480].into_iter().flat_map(|limit| limit - 2..=limit + limit / 12);
    for matches in near.flat_map(|matches| [matches; 3]) {
        let mut page = known.concat();
        for _ in 0..matches {
            page.push(random.next() as u8);
            page.extend(known[random.below(known.len())]);
        }
        page.resize(PAGE, 0);
        pages.push(page);
    }
    // All matches alike.
    for period in [9, 16, 64] {
        pages.push((0..PAGE).map(|i| if i % period == 0 { i / period } else { 7 * (i % period) } as u8).collect());
    }
    // Matches of all lengths, from one place in turn with another.
    for most in [8, 40, 140, 300, 1100, 2060] {
        let mut page: Vec<u8> = (0..most).map(|_| random.next() as u8).collect();
        while page.len() < PAGE {
            let (len, back) = (4 + random.below(most), 1 + random.below(page.len()));
            (0..len).for_each(|_| page.push(page[page.len() - back]));
            page.push(random.next() as u8);
        }
        page.truncate(PAGE);
        pages.push(page);
    }
    pages
}

/// A page of runs, of values of some alphabet, of copies from near and far, long and short, and of pointers.
pub fn page_of_parts(random: &mut Random) -> Vec<u8> {
    let (mut page, alphabet) = (Vec::new(), 1 + random.below(256));
    while page.len() < PAGE {
        let count = 1 + random.below(60);
        match random.below(6) {
            0 => page.resize(page.len() + count, random.next() as u8),
            1 => (0..5 * count).for_each(|_| page.push(random.below(alphabet).min(random.below(alphabet)) as u8)),
            2 | 3 if !page.is_empty() => {
                let (back, most) = (1 + random.below(page.len()), [8, 20, 200, 3000][random.below(4)]);
                (0..3 + random.below(most)).for_each(|_| page.push(page[page.len() - back]));
            }
            4 if page.len() >= 16 => {
                for _ in 0..count {
                    let back = 1 + random.below(16);
                    (0..3 + random.below(4)).for_each(|_| page.push(page[page.len() - back]));
                    page.push(random.below(alphabet) as u8);
                }
            }
            _ => (0..count / 2).for_each(|_| page.extend((random.next() & 0xFFF | 0x7F00_0000_1000).to_le_bytes())),
        }
    }
    page.truncate(PAGE);
    page
}

/// An object with a mistake in it, perhaps.
pub fn damaged(random: &mut Random, object: &[u8]) -> Vec<u8> {
    let mut object = object.to_vec();
    let n = object.len();
    match random.below(7) {
        0 => object[random.below(n)] ^= 1 << random.below(8),
        1 => {
            object[random.below(n)] = random.next() as u8;
            object[random.below(n)] = 0xFF;
        }
        2 => object.truncate(random.below(n + 1)),
        3 => (0..8).for_each(|_| object[random.below(n)] = random.next() as u8),
        4 => {
            let (a, b) = (random.below(n), random.below(n));
            object.copy_within(a.min(b)..a.max(b), 0);
        }
        // A byte more, or one less in the middle.
        5 => object.insert(random.below(n + 1), random.next() as u8),
        _ => drop(object.remove(random.below(n))),
    }
    object.truncate(PAGE);
    object
}

/// Noise behind a tag.
pub fn noise(random: &mut Random) -> Vec<u8> {
    let most = if random.below(2) == 0 { 64 } else { PAGE };
    let len = 1 + random.below(most);
    let mut object: Vec<u8> = (0..len).map(|_| random.next() as u8).collect();
    object[0] = match random.below(4) {
        0 => random.next() as u8,
        1 => random.below(8) as u8,
        2 => LZ4,
        _ => TZP,
    };
    object
}

/// An LZ4 block of a page or a little more or less, with a sequence near its end that the format's end rules may forbid.
pub fn lz4_at_the_end(random: &mut Random) -> Vec<u8> {
    let put = |object: &mut Vec<u8>, mut length: usize| {
        if length >= 15 {
            length -= 15;
            object.extend(std::iter::repeat_n(0xFF, length / 255));
            object.push((length % 255) as u8);
        }
    };
    let mut object = vec![LZ4];
    let (mut at, aim) = (0, PAGE - random.below(24));
    loop {
        let literals = if random.below(4) == 0 { random.below(300) } else { random.below(20) };
        let mut matched = 4 + if random.below(4) == 0 { random.below(700) } else { random.below(20) };
        let last = at + literals + matched >= aim;
        if last {
            matched = aim.saturating_sub(at + literals).max(4);
        }
        object.push((literals.min(15) << 4 | (matched - 4).min(15)) as u8);
        put(&mut object, literals);
        object.extend((0..literals).map(|_| random.next() as u8));
        at += literals;
        let most = if random.below(3) == 0 { 20 } else { at + 2 };
        let offset = if random.below(500) == 0 { at + 1 } else { (1 + random.below(most)).min(at) };
        object.extend((offset as u16).to_le_bytes());
        put(&mut object, matched - 4);
        at += matched;
        if last {
            break;
        }
    }
    let literals = (PAGE + random.below(3)).saturating_sub(at + usize::from(random.below(3) == 0));
    object.push((literals.min(15) << 4 | random.below(2)) as u8);
    put(&mut object, literals);
    object.extend((0..literals).map(|_| random.next() as u8));
    object.truncate(PAGE - random.below(2));
    object
}

/// A tzp block whose parts have the right lengths, or almost, and offsets that may be too large.
pub fn tzp_of_parts(random: &mut Random) -> Vec<u8> {
    const LITERALS: [usize; 16] = [0, 1, 2, 3, 4, 6, 7, 8, 4, 2, 4, 6, 4, 7, 1, 2];
    let (dense, reach) = (1 + random.below(8), 1 + random.below(3));
    let (mut flags, mut codes, mut offsets, mut literals) = ([0u8; 32], Vec::new(), Vec::new(), 0);
    for chunk in 0..128 {
        if random.below(8) < dense {
            flags[chunk / 8] |= 1 << (chunk % 8);
            for _ in 0..2 {
                let code = random.next() as u8 & if dense > 6 { 0x31 } else { 0xFF };
                literals += LITERALS[usize::from(code & 15)] + LITERALS[usize::from(code >> 4)];
                codes.push(code);
            }
        }
        if random.below(4) == 0 && (chunk > 0 || random.below(30) == 0) {
            flags[16 + chunk / 8] |= 1 << (chunk % 8);
            // The largest valid one is 4 c - 3.
            offsets.push(match random.below(300) {
                0 => 4 * chunk + 2 - random.below(5).min(4 * chunk + 2),
                _ => random.below((4 * chunk).saturating_sub(2).min(256) / reach + 1),
            } as u8);
        }
    }
    let literals = (literals + 1 - random.below(12).min(2)).saturating_sub(random.below(40) / 39);
    let mut object = vec![TZP];
    object.extend((0..literals).map(|_| random.next() as u8));
    object.extend(codes);
    object.extend(offsets);
    object.extend(flags);
    object.truncate(PAGE);
    object
}
