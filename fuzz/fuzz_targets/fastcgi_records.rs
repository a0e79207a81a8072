//! Records of FastCGI are read the same however they are split, and never pile up.

#![no_main]

use bytes::{Bytes, BytesMut};
use libfuzzer_sys::fuzz_target;
use pushpull_gateway::fastcgi::{Decoder, MAX_PARAMS, Malformed, Pairs, Record, Stream};

/// The records, the parameters in them, and how the input ended.
type Read = (Vec<Record>, Vec<(Bytes, Bytes)>, Result<(), Malformed>);

fn read(bytes: &[u8], size: usize) -> Read {
    let (mut decoder, mut buffer, mut pairs) = (Decoder::new(), BytesMut::new(), Pairs::new(MAX_PARAMS));
    let (mut records, mut found) = (Vec::<Record>::new(), Vec::new());
    for piece in bytes.chunks(size) {
        buffer.extend_from_slice(piece);
        loop {
            match decoder.decode(&mut buffer) {
                Ok(Some(Record::Stream { stream: Stream::Params, content, .. })) => {
                    if pairs.push(content).is_ok() {
                        while let Ok(Some(pair)) = pairs.next() {
                            found.push(pair);
                        }
                    }
                }
                // A stream is split where the input is.
                Ok(Some(Record::Stream { .. })) => {}
                Ok(Some(record)) => records.push(record),
                Ok(None) => break,
                Err(malformed) => return (records, found, Err(malformed)),
            }
        }
        assert!(buffer.len() <= size.saturating_add(65_535), "bytes pile up");
    }
    let ended = decoder.finish(&buffer);
    (records, found, ended)
}

fuzz_target!(|data: &[u8]| {
    let Some((size, bytes)) = data.split_first() else { return };
    assert_eq!(read(bytes, usize::MAX >> 1), read(bytes, usize::from(*size) + 1));
});
