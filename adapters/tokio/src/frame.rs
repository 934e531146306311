//! What a frame of the peer means before the protocol reads it.

use redial::Closure;
use tokio_tungstenite::tungstenite::Message;

/// What a frame is to the client.
pub(crate) enum Frame {
    /// To be read by the protocol.
    Content(Message),
    /// A sign of life and nothing else.
    Life,
    /// The peer ends the connection.
    End(Closure),
}

impl Frame {
    pub(crate) fn of(message: Message) -> Self {
        match message {
            Message::Text(_) | Message::Binary(_) => Self::Content(message),
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => Self::Life,
            Message::Close(frame) => Self::End(match frame {
                None => Closure::peer(),
                Some(frame) => Closure::peer().code(frame.code.into()),
            }),
        }
    }
}

/// What the protocol reads of a peer that sends `bytes`, so many at once, and then hangs up; and how
/// the connection ends.
#[cfg(feature = "__fuzz")]
#[doc(hidden)]
pub async fn read_all(bytes: &[u8], at_once: usize) -> (Vec<Message>, Closure) {
    use tokio_tungstenite::WebSocketStream;
    use tokio_tungstenite::tungstenite::protocol::Role;

    let wire = memory::Wire { bytes, at_once: at_once.max(1) };
    let stream = WebSocketStream::from_raw_socket(wire, Role::Client, None).await;
    let mut socket = crate::socket::Socket::new(redial::ConnId::new(1), stream);
    let mut contents = vec![];
    loop {
        match std::future::poll_fn(|cx| socket.poll_read(cx)).await.map(Frame::of) {
            Ok(Frame::Content(message)) => contents.push(message),
            Ok(Frame::Life) => {}
            Ok(Frame::End(closure)) | Err(closure) => return (contents, closure),
        }
    }
}

#[cfg(feature = "__fuzz")]
mod memory {
    use std::io;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

    /// A peer that reads everything and says only what it was made to.
    pub(super) struct Wire<'a> {
        pub(super) bytes: &'a [u8],
        pub(super) at_once: usize,
    }

    impl AsyncRead for Wire<'_> {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buf: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            let most = buf.remaining().min(self.at_once).min(self.bytes.len());
            let (read, rest) = self.bytes.split_at(most);
            buf.put_slice(read);
            self.bytes = rest;
            Poll::Ready(Ok(()))
        }
    }

    impl AsyncWrite for Wire<'_> {
        fn poll_write(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buf: &[u8],
        ) -> Poll<io::Result<usize>> {
            Poll::Ready(Ok(buf.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }
}
