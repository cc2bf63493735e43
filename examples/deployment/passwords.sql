-- Run once, after roles.sql, by psql 15 or newer, which reads the variables OWNER_PASSWORD and
-- WORKER_PASSWORD of its environment.
\getenv owner_password OWNER_PASSWORD
\getenv worker_password WORKER_PASSWORD
ALTER ROLE asyncsim_owner PASSWORD :'owner_password';
ALTER ROLE asyncsim_worker PASSWORD :'worker_password';
