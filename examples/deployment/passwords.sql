-- Run once, after roles.sql, with psql 15 or newer, which reads OWNER_PASSWORD and WORKER_PASSWORD
-- from its environment.
\getenv owner_password OWNER_PASSWORD
\getenv worker_password WORKER_PASSWORD
ALTER ROLE asyncsim_owner PASSWORD :'owner_password';
ALTER ROLE asyncsim_worker PASSWORD :'worker_password';
