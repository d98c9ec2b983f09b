BEGIN TRANSACTION;
CREATE TABLE conversation_items (
	tenant_id TEXT NOT NULL, 
	session_id TEXT NOT NULL, 
	item_id TEXT NOT NULL, 
	position BIGINT NOT NULL, 
	revision BIGINT NOT NULL, 
	content TEXT NOT NULL, 
	created_at DOUBLE NOT NULL, 
	deleted BOOLEAN NOT NULL, 
	PRIMARY KEY (tenant_id, session_id, item_id)
);
INSERT INTO "conversation_items" VALUES('default','sess_ended','item_1',1,1,'{"id":"item_1","type":"message","role":"user","content":[{"type":"input_text","text":"Grüße \u0000"}]}',1763800001.0,0);
INSERT INTO "conversation_items" VALUES('default','sess_ended','item_2',2,3,'{"id":"item_2","type":"message","role":"assistant","content":[{"type":"output_audio","transcript":"Hello."}]}',1763800002.0,0);
INSERT INTO "conversation_items" VALUES('default','sess_ended','item_3',3,2,'',1763800003.0,1);
CREATE TABLE sessions (
	tenant_id TEXT NOT NULL, 
	session_id TEXT NOT NULL, 
	started_at DOUBLE NOT NULL, 
	ended_at DOUBLE, 
	model TEXT NOT NULL, 
	PRIMARY KEY (tenant_id, session_id)
);
INSERT INTO "sessions" VALUES('default','sess_ended',1763800000.5,1763800060.25,'gpt-realtime');
INSERT INTO "sessions" VALUES('default','sess_open',1763800100.0,NULL,'gpt-realtime');
CREATE INDEX sessions_by_start ON sessions (tenant_id, started_at, session_id);
CREATE INDEX conversation_items_by_position ON conversation_items (tenant_id, session_id, position);
COMMIT;
PRAGMA user_version = 1;
