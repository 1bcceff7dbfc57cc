-- A ledger as version 0.1.0 leaves it (schema 1), with taps in every state. Not to be changed: files in the field are
-- like this.
CREATE TABLE tap (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    uid TEXT NOT NULL,
    card TEXT NOT NULL,
    reader TEXT NOT NULL,
    local_time TEXT NOT NULL,
    utc_offset_s INTEGER NOT NULL,
    utc_time TEXT NOT NULL,
    boottime_ms INTEGER NOT NULL,
    boot_id TEXT NOT NULL,
    clock_synchronised INTEGER NOT NULL CHECK (clock_synchronised IN (0, 1)),
    idempotency_key TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'delivered', 'rejected')),
    attempts INTEGER NOT NULL DEFAULT 0,
    last_attempt_utc TEXT,
    answer TEXT,
    settled_utc TEXT
) STRICT;
CREATE INDEX tap_by_card ON tap (uid, id);
CREATE INDEX tap_pending ON tap (uid, id) WHERE state = 'pending';
INSERT INTO tap VALUES
    (1, '04A1B2C3D4E5F6', 'MIFARE Ultralight', 'ACS ACR122U 00 00', '2026-03-02T08:59:58.120000', 32400,
     '2026-03-01T23:59:58.120000Z', 81000, '6d1f0c1e-8a0f-4f0e-9f6e-2b7a3c1d5e01', 1,
     '5c3c2a30-0001', 'delivered', 1, '2026-03-01T23:59:58.300000Z', '200 {"status":"ok"}',
     '2026-03-01T23:59:58.400000Z'),
    (2, '0101031234567890', 'FeliCa', 'ACS ACR122U 00 00', '2026-03-02T09:01:10', 32400,
     '2026-03-02T00:01:10.000000Z', 153000, '6d1f0c1e-8a0f-4f0e-9f6e-2b7a3c1d5e01', 1,
     '5c3c2a30-0002', 'rejected', 3, '2026-03-02T00:05:00.000000Z', '400 unknown card', '2026-03-02T00:05:00.100000Z'),
    (4, '04A1B2C3D4E5F6', 'MIFARE Ultralight', 'ACS ACR122U 00 00', '2026-03-02T18:02:00.500000', 32400,
     '2026-03-02T09:02:00.500000Z', 32603000, '6d1f0c1e-8a0f-4f0e-9f6e-2b7a3c1d5e01', 0,
     '5c3c2a30-0004', 'pending', 7, '2026-03-02T09:30:00.000000Z', NULL, NULL),
    (5, '0101031234567890', 'FeliCa', 'ACS ACR122U 00 00', '2026-03-02T18:03:00', 32400,
     '2026-03-02T09:03:00.000000Z', 32663000, '6d1f0c1e-8a0f-4f0e-9f6e-2b7a3c1d5e01', 1,
     '5c3c2a30-0005', 'pending', 0, NULL, NULL, NULL);
PRAGMA user_version = 1;
