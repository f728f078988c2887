use std::io::Cursor;

use proptest::prelude::*;

use super::fixtures::*;
use super::meter::Meter;
use super::*;

fn read(bytes: &[u8]) -> Measured {
    inspect(&mut Cursor::new(bytes)).unwrap()
}

fn refusal(bytes: &[u8]) -> Refused {
    match inspect(&mut Cursor::new(bytes)) {
        Err(InspectError::Refused(refused)) => refused,
        other => panic!("not refused: {other:?}"),
    }
}

fn sound(bytes: &[u8]) -> Sound {
    read(bytes).sound().expect("a decodable file").clone()
}

fn measures(bytes: &[u8]) -> Measures {
    sound(bytes).measures
}

/// A file whose header fields were changed after the fact.
fn patched(mut file: Vec<u8>, at: usize, bytes: &[u8]) -> Vec<u8> {
    file[at..at + bytes.len()].copy_from_slice(bytes);
    file
}

#[test]
fn a_pcm_wav_is_read() {
    let file = wav(8_000, 1, &tone(8_000, 1_500, 16_000));
    let read = read(&file);
    assert_eq!(read.format, Format::WavPcm);
    assert_eq!(read.sample_rate_hz, Some(8_000));
    assert_eq!(read.channels, Some(1));
    assert_eq!(read.duration_ms, Some(1_500));
    assert_eq!(read.size_bytes, 44 + 2 * 12_000);
    let sound = &read.sound().unwrap().measures;
    assert_eq!(sound.sides.len(), 1);
    assert_eq!(sound.overlap_share, None);
    assert_eq!(sound.sides[0].talk_share, 1.0);
    assert_eq!(sound.sides[0].silence_share, 0.0);
    assert_eq!(sound.sides[0].longest_silence_ms, 0);
}

#[test]
fn the_name_is_the_sha256_of_the_bytes() {
    // Published digest of "abc" checks the fingerprint apart from any audio.
    let (name, size_bytes) = fingerprint(&mut Cursor::new(b"abc")).unwrap();
    assert_eq!(
        name,
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    );
    assert_eq!(size_bytes, 3);
}

#[test]
fn every_width_of_pcm_gives_the_same_picture() {
    let samples = speech(&[(true, 400), (false, 600), (true, 200)]);
    let expected = sound(&wav(8_000, 1, &samples));
    let wide = |shift: u32| samples.iter().map(move |s| i32::from(*s) << shift);
    let files = [
        (
            8,
            wav_of(8_000, 1, 8, samples.iter().map(|s| i32::from(*s >> 8))),
        ),
        (24, wav_of(8_000, 1, 24, wide(8))),
        (32, wav_of(8_000, 1, 32, wide(16))),
        (0, wav_float(8_000, &samples)),
    ];
    for (bits, file) in files {
        let sound = sound(&file);
        assert_eq!(sound.measures, expected.measures, "{bits} bits");
        let differ = |a: &u8, b: &u8| a.abs_diff(*b) > 2;
        let far = sound.peaks[0]
            .iter()
            .zip(&expected.peaks[0])
            .filter(|(a, b)| differ(a, b));
        assert_eq!(far.count(), 0, "{bits} bits");
    }
}

#[test]
fn g711_is_read_through_its_tables() {
    let samples = speech(&[(true, 500), (false, 500)]);
    let expected = measures(&wav(8_000, 1, &samples));
    for (format, file) in [
        (Format::WavAlaw, wav_alaw(1, &samples)),
        (Format::WavMulaw, wav_mulaw(1, &samples)),
    ] {
        let read = read(&file);
        assert_eq!(read.format, format);
        assert_eq!(read.duration_ms, Some(1_000));
        let sound = read.sound().unwrap();
        assert_eq!(sound.measures, expected, "{format:?}");
        // The loudest sample, 8000 of 32768, within the coarseness of a logarithmic code.
        let peak = *sound.peaks[0].iter().max().unwrap();
        assert!(peak.abs_diff(63) <= 2, "{format:?}: {peak}");
    }
}

#[test]
fn g711_stereo_keeps_its_sides_apart() {
    let one = speech(&[(true, 1_000), (false, 1_000)]);
    let other = speech(&[(false, 2_000)]);
    let sound = measures(&wav_alaw(2, &interleaved(&one, &other)));
    assert_eq!(sound.sides[0].talk_share, 0.5);
    assert_eq!(sound.sides[1].talk_share, 0.0);
}

#[test]
fn both_sides_and_their_overlap_are_measured() {
    let one = speech(&[(true, 4_000), (false, 6_000)]);
    let other = speech(&[(false, 2_000), (true, 4_000), (false, 4_000)]);
    let sound = measures(&wav(8_000, 2, &interleaved(&one, &other)));
    assert_eq!(sound.sides[0].talk_share, 0.4);
    assert_eq!(sound.sides[0].silence_share, 0.6);
    assert_eq!(sound.sides[0].longest_silence_ms, 6_000);
    assert_eq!(sound.sides[1].talk_share, 0.4);
    assert_eq!(sound.sides[1].longest_silence_ms, 4_000);
    assert_eq!(sound.overlap_share, Some(0.2));
    assert_eq!(sound.nobody_share, 0.4);
    assert_eq!(sound.pauses, [], "four seconds are no pause");
}

#[test]
fn pauses_of_five_seconds_are_marked() {
    let one = speech(&[(false, 6_000), (true, 1_000), (false, 13_000)]);
    let other = speech(&[
        (false, 8_000),
        (true, 1_000),
        (false, 4_000),
        (true, 1_000),
        (false, 6_000),
    ]);
    let sound = measures(&wav(8_000, 2, &interleaved(&one, &other)));
    let pause = |from_ms, to_ms| Pause { from_ms, to_ms };
    assert_eq!(sound.pauses, [pause(0, 6_000), pause(14_000, 20_000)]);
}

#[test]
fn short_stops_belong_to_the_talk_and_clicks_do_not() {
    let stops = speech(&[(true, 400), (false, 180), (true, 420)]);
    assert_eq!(measures(&wav(8_000, 1, &stops)).sides[0].talk_share, 1.0);
    let clicks = speech(&[(false, 480), (true, 40), (false, 480)]);
    assert_eq!(measures(&wav(8_000, 1, &clicks)).sides[0].talk_share, 0.0);
}

#[test]
fn noise_under_the_talk_is_silence() {
    let mut samples = speech(&[(false, 3_000), (true, 1_000)]);
    // About −45 dBFS: above the lowest threshold, so only the noise floor tells it from talk.
    for (at, sample) in samples.iter_mut().enumerate() {
        *sample = sample.saturating_add(if at % 2 == 0 { 180 } else { -180 });
    }
    assert_eq!(measures(&wav(8_000, 1, &samples)).sides[0].talk_share, 0.25);
}

#[test]
fn peaks_lie_where_the_sound_is() {
    for length_ms in [50, 1_000, 60_000] {
        let mut samples = silence(8_000, length_ms);
        let middle = samples.len() / 2;
        samples[middle] = i16::MIN;
        let peaks = &sound(&wav(8_000, 1, &samples)).peaks[0];
        assert_eq!(peaks.len(), PEAKS_PER_SIDE);
        assert_eq!(*peaks.iter().max().unwrap(), 255);
        let at = peaks.iter().position(|peak| *peak == 255).unwrap();
        assert!((497..=500).contains(&at), "{length_ms} ms: {at}");
    }
}

#[test]
fn the_quietest_sound_leaves_a_peak() {
    let peaks = &sound(&wav(8_000, 1, &[1; 8_000])).peaks[0];
    assert!(peaks.iter().all(|peak| *peak == 1));
}

#[test]
fn a_silent_mp3_is_decoded() {
    let read = read(&mp3(50));
    assert_eq!(read.format, Format::Mp3);
    assert_eq!(read.sample_rate_hz, Some(8_000));
    assert_eq!(read.channels, Some(1));
    assert_eq!(read.duration_ms, Some(50 * 72));
    assert_eq!(read.sound().unwrap().measures.sides[0].talk_share, 0.0);
    assert_eq!(read.sound().unwrap().measures.nobody_share, 1.0);
}

#[test]
fn a_stereo_mp3_after_a_tag_is_decoded() {
    let file = [id3(700), mp3_stereo(40)].concat();
    let read = read(&file);
    assert_eq!(read.channels, Some(2));
    assert_eq!(read.duration_ms, Some(40 * 1152 * 1000 / 44_100));
    assert_eq!(read.sound().unwrap().measures.overlap_share, Some(0.0));
}

#[test]
fn an_mp3_cut_in_its_last_frame_is_taken() {
    let mut file = mp3(50);
    file.truncate(file.len() - 70);
    assert_eq!(read(&file).duration_ms, Some(49 * 72));
}

#[test]
fn an_mp3_that_turns_into_rubbish_is_refused() {
    let file = [mp3(50), vec![0x20; 40_000]].concat();
    assert_eq!(refusal(&file), Refused::Damaged);
}

#[test]
fn a_frame_that_ends_too_early_costs_only_itself() {
    let mut file = mp3(40);
    // Joint stereo, and one granule that promises more bits than its frame holds.
    file.chunks_mut(144).for_each(|frame| frame[3] = 0x44);
    file[144 + 5] = 0x4f;
    file[144 + 17] = 0xba;
    assert_eq!(read(&file).duration_ms, Some(39 * 72));
}

#[test]
fn one_frame_header_before_a_text_is_not_an_mp3() {
    let file = [vec![0xff, 0xe3, 0x28, 0xc0], vec![b'a'; 5_000]].concat();
    assert_eq!(refusal(&file), Refused::NotAudio);
}

#[test]
fn gsm_is_kept_without_a_player() {
    let wav49 = read(&wav49(250));
    assert_eq!(wav49.format, Format::WavGsm);
    assert_eq!(wav49.player, Player::NoPlayer(NoPlayer::Gsm));
    assert_eq!(wav49.duration_ms, Some(10_000));
    let gsm = read(&gsm(100));
    assert_eq!(gsm.format, Format::Gsm);
    assert_eq!(gsm.player, Player::NoPlayer(NoPlayer::Gsm));
    assert_eq!(gsm.duration_ms, Some(2_000));
}

#[test]
fn gsm_is_checked_to_its_last_frame() {
    let mut file = gsm(100);
    file[99 * 33] = 0x41;
    assert_eq!(refusal(&file), Refused::NotAudio);
}

#[test]
fn formats_without_a_decoder_are_kept() {
    let heads: [(&[u8], Format); 5] = [
        (b"OggS\0\x02", Format::Ogg),
        (b"fLaC\0\0\0\x22", Format::Flac),
        (b"\0\0\0\x20ftypM4A ", Format::Mp4),
        (b"\x1a\x45\xdf\xa3\x01", Format::Matroska),
        (b"#!AMR\n\x3c", Format::Amr),
    ];
    for (head, format) in heads {
        let read = read(head);
        assert_eq!(read.format, format);
        assert_eq!(read.player, Player::NoPlayer(NoPlayer::UnknownContainer));
        assert_eq!(read.duration_ms, None);
    }
    let g726 = read(&wav_raw(0x45, 1, 8_000, 1, &[0; 4_000]));
    assert_eq!(g726.format, Format::WavOther);
    assert_eq!(g726.duration_ms, Some(500));
}

#[test]
fn what_is_not_audio_is_refused_by_name() {
    let cases: [(&[u8], Refused); 12] = [
        (b"", Refused::Empty),
        (
            b"<!DOCTYPE html><html><body>Sign in</body></html>",
            Refused::WebPage,
        ),
        (b"\xef\xbb\xbf \r\n<html>", Refused::WebPage),
        (b"<?xml version=\"1.0\"?><error/>", Refused::WebPage),
        (b"{\"error\":\"not found\"}", Refused::Text),
        ("запись не готова".as_bytes(), Refused::Text),
        (b"PK\x03\x04\x14\0", Refused::Archive),
        (b"\x1f\x8b\x08\0", Refused::Archive),
        (b"\x89PNG\r\n\x1a\n", Refused::NotAudio),
        (b"RIFF", Refused::Truncated),
        (b"RIFF\x24\0\0\0WAVE", Refused::Truncated),
        (
            b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\x01\0",
            Refused::Truncated,
        ),
    ];
    for (bytes, expected) in cases {
        assert_eq!(
            refusal(bytes),
            expected,
            "{:?}",
            String::from_utf8_lossy(bytes)
        );
    }
}

#[test]
fn a_wav_that_is_still_being_written_is_refused_for_now() {
    let whole = wav(8_000, 1, &tone(8_000, 100, 8_000));
    let mut cut = whole.clone();
    cut.truncate(whole.len() - 2);
    assert_eq!(refusal(&cut), Refused::Truncated);
    // The length is written last.
    assert_eq!(
        refusal(&patched(whole.clone(), 40, &[0; 4])),
        Refused::Truncated
    );
    assert_eq!(refusal(&wav(8_000, 1, &[])), Refused::NoSound);
    assert!(Refused::Truncated.may_heal() && Refused::NoSound.may_heal());
}

#[test]
fn a_wav_from_a_pipe_is_read_to_its_end() {
    let whole = wav(8_000, 1, &tone(8_000, 100, 8_000));
    assert_eq!(read(&patched(whole, 40, &[0xff; 4])).duration_ms, Some(100));
}

#[test]
fn chunks_of_odd_length_are_stepped_over() {
    let whole = wav(8_000, 1, &tone(8_000, 100, 8_000));
    let file = [&whole[..36], b"note\x03\0\0\0abc\0", &whole[36..]].concat();
    assert_eq!(read(&file).duration_ms, Some(100));
}

#[test]
fn an_extensible_header_is_understood() {
    // hound writes three-byte samples with an extensible header.
    let file = wav_of(8_000, 2, 24, (0..1_600).map(|at| at * 100));
    assert_eq!(file[20..22], [0xfe, 0xff]);
    let read = read(&file);
    assert_eq!(read.format, Format::WavPcm);
    assert_eq!(read.duration_ms, Some(100));
}

#[test]
fn absurd_headers_are_refused() {
    let whole = wav(8_000, 1, &tone(8_000, 100, 8_000));
    let rate = |rate: u32| patched(whole.clone(), 24, &rate.to_le_bytes());
    assert_eq!(refusal(&rate(0)), Refused::SampleRate);
    assert_eq!(refusal(&rate(1)), Refused::SampleRate);
    assert_eq!(refusal(&rate(u32::MAX)), Refused::SampleRate);
    let channels = |channels: u16| patched(whole.clone(), 22, &channels.to_le_bytes());
    assert_eq!(refusal(&channels(0)), Refused::Channels);
    assert_eq!(refusal(&channels(3)), Refused::Channels);
    assert_eq!(
        refusal(&patched(whole.clone(), 32, &[0, 0])),
        Refused::Damaged
    );
    assert_eq!(
        refusal(&patched(whole.clone(), 32, &[7, 0])),
        Refused::Damaged
    );
    assert_eq!(
        refusal(&patched(whole, 16, &[4, 0, 0, 0])),
        Refused::Damaged
    );
}

#[test]
fn half_a_day_is_the_limit() {
    let half_day_of_pairs = 12 * 3600 * 25;
    assert_eq!(
        read(&wav49(half_day_of_pairs)).duration_ms,
        Some(MAX_DURATION_MS)
    );
    assert_eq!(refusal(&wav49(half_day_of_pairs + 1)), Refused::TooLong);
    assert_eq!(decode::check_length(12 * 3600 * 8_000, 8_000), Ok(()));
    assert_eq!(
        decode::check_length((12 * 3600 + 1) * 8_000, 8_000),
        Err(Refused::TooLong)
    );
    // A header that claims one byte a second.
    let slow = wav_raw(0x45, 1, 8_000, 1, &vec![0; 50_000]);
    assert_eq!(refusal(&patched(slow, 28, &[1, 0, 0, 0])), Refused::TooLong);
}

#[test]
fn words_read_back() {
    for format in Format::ALL {
        assert_eq!(Format::parse(format.as_str()), Some(format));
        // The same words stand in JSON.
        let json = serde_json::to_string(&format).unwrap();
        assert_eq!(json, format!("{:?}", format.as_str()));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn random_bytes_are_read_or_refused(
        bytes in proptest::collection::vec(any::<u8>(), 0..2_000),
    ) {
        is_decided(&bytes)?;
    }

    #[test]
    fn random_bytes_after_a_good_start_are_read_or_refused(
        start in 0usize..9,
        keep in 0usize..600,
        bytes in proptest::collection::vec(any::<u8>(), 0..2_000),
    ) {
        let file = start_of(start);
        is_decided(&[&file[..keep.min(file.len())], &bytes].concat())?;
    }

    #[test]
    fn changed_bytes_are_read_or_refused(
        start in 0usize..9,
        changes in proptest::collection::vec((0usize..1_500, any::<u8>()), 1..8),
    ) {
        let mut file = start_of(start);
        for (at, byte) in changes {
            let at = at % file.len();
            file[at] = byte;
        }
        is_decided(&file)?;
    }

    #[test]
    fn mp3_frames_with_odd_side_information_are_read_or_refused(
        changes in proptest::collection::vec((0usize..12, 3usize..30, any::<u8>()), 1..60),
    ) {
        let mut file = mp3(12);
        for (frame, at, byte) in changes {
            file[frame * 144 + at] = byte;
        }
        is_decided(&file)?;
    }

    #[test]
    fn shares_are_shares(samples in proptest::collection::vec(any::<i16>(), 2..6_000)) {
        let read = read(&wav(8_000, 2, &samples[..samples.len() / 2 * 2]));
        let sound = &read.sound().unwrap().measures;
        for side in &sound.sides {
            prop_assert!((0.0..=1.0).contains(&side.talk_share));
            prop_assert!((side.talk_share + side.silence_share - 1.0).abs() < 0.002);
            prop_assert!(side.longest_silence_ms <= read.duration_ms.unwrap());
        }
        let overlap = sound.overlap_share.unwrap();
        let least = sound.sides.iter().map(|side| side.talk_share).fold(1.0, f32::min);
        prop_assert!(overlap <= least + 0.001);
    }

    #[test]
    fn pieces_of_any_size_give_the_same_sound(
        samples in proptest::collection::vec(any::<i16>(), 2..6_000),
        piece in 1usize..700,
    ) {
        let mut whole = Meter::new(2, 8_000);
        whole.feed(&samples);
        let mut pieces = Meter::new(2, 8_000);
        samples.chunks(piece * 2).for_each(|piece| pieces.feed(piece));
        prop_assert_eq!(whole.finish(), pieces.finish());
    }
}

/// Bytes in memory give a recording or a reason, never a panic and never an excuse about the disk.
fn is_decided(bytes: &[u8]) -> Result<(), TestCaseError> {
    match inspect(&mut Cursor::new(bytes)) {
        Ok(_) | Err(InspectError::Refused(_)) => Ok(()),
        Err(InspectError::Io(error)) => Err(TestCaseError::fail(error.to_string())),
    }
}

fn start_of(kind: usize) -> Vec<u8> {
    let samples = tone(8_000, 50, 8_000);
    match kind {
        0 => wav(8_000, 1, &samples),
        1 => wav_of(8_000, 2, 24, samples.iter().map(|s| i32::from(*s))),
        2 => wav_alaw(1, &samples),
        3 => wav_mulaw(2, &samples),
        4 => wav49(10),
        5 => gsm(12),
        6 => mp3(8),
        7 => [id3(100), mp3_stereo(3)].concat(),
        _ => wav_float(8_000, &samples),
    }
}
