"""What travels on a connection, as bytes in and events out: WebSocket, Engine.IO, Socket.IO and HTTP calls."""
