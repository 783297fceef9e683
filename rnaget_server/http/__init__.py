"""What all the APIs share: media types, replies, errors, streaming."""
