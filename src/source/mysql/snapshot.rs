//! What did the server hold at one position of its log?
