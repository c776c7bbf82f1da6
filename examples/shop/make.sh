#!/usr/bin/env bash
# Makes the sample that `pcloud demo` carries: a small shop on a real MariaDB 10.11, running for a minute until
# somebody damages it. Writes beside this script:
#   shop.sql              mariadb-dump of the first state, with its binlog position
#   binlog.000001, …      the binary log from there on
#   moments               the moments that the demo asks for (UTC)
# Needs what tests/servers/get-mariadb.sh needs. Run it only to make a new sample: the demo's texts quote its rows.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd); servers=$here/../../tests/servers
tree=${PCLOUD_TEST_CACHE:-$HOME/.cache/pcloud}/mariadb-bookworm
"$servers/get-mariadb.sh" -d "$tree" >/dev/null
dir=$(mktemp -d); chmod 755 "$dir"; trap '"$servers/stop-db.sh" -d "$dir/i" -k; rm -rf "$dir"' EXIT
"$servers/start-db.sh" -t "$tree" -d "$dir/i" -p "$((20000 + $$ % 10000))" -i 1 -- \
  --character-set-server=utf8mb4 --collation-server=utf8mb4_general_ci --default-time-zone=+00:00 --binlog-annotate-row-events=ON >/dev/null
sql() { "$tree/bin/mariadb" --defaults-file="$dir/i/my.cnf" --default-character-set=utf8mb4 -N -B "$@"; }
now() { sql -e "SELECT DATE_FORMAT(UTC_TIMESTAMP(), '%Y-%m-%d %H:%i:%s')"; }
# a whole second passes, so that a moment in it stands clearly between two commits
pause() { sleep 2.2; }

sql <<'SQL'
CREATE DATABASE shop;
USE shop;
CREATE TABLE customers (
  id INT UNSIGNED NOT NULL AUTO_INCREMENT,
  name VARCHAR(60) NOT NULL,
  city VARCHAR(40) DEFAULT NULL,
  email VARCHAR(80) NOT NULL,
  since DATE NOT NULL,
  PRIMARY KEY (id), UNIQUE KEY email (email));
CREATE TABLE products (
  id INT UNSIGNED NOT NULL AUTO_INCREMENT,
  title VARCHAR(80) NOT NULL,
  price DECIMAL(10,2) NOT NULL,
  stock INT NOT NULL DEFAULT 0,
  PRIMARY KEY (id));
CREATE TABLE orders (
  id BIGINT NOT NULL AUTO_INCREMENT,
  customer_id INT UNSIGNED NOT NULL,
  product_id INT UNSIGNED NOT NULL,
  quantity SMALLINT UNSIGNED NOT NULL,
  status ENUM('new','paid','shipped','cancelled') NOT NULL DEFAULT 'new',
  placed TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  PRIMARY KEY (id), KEY customer_id (customer_id), KEY product_id (product_id),
  CONSTRAINT orders_customer FOREIGN KEY (customer_id) REFERENCES customers (id),
  CONSTRAINT orders_product FOREIGN KEY (product_id) REFERENCES products (id));
CREATE VIEW open_orders AS
  SELECT o.id, c.name, p.title, o.quantity FROM orders o
  JOIN customers c ON c.id = o.customer_id JOIN products p ON p.id = o.product_id
  WHERE o.status IN ('new', 'paid');
CREATE TRIGGER orders_stock AFTER INSERT ON orders FOR EACH ROW
  UPDATE products SET stock = stock - NEW.quantity WHERE id = NEW.product_id;
INSERT INTO customers (name, city, email, since) VALUES
  ('Ada Nowak', 'Kraków', 'ada@example.org', '2024-02-29'), ('Björn Dahl', 'Malmö', 'bjorn@example.org', '2024-06-01'),
  ('Chidi Obi', 'Lagos', 'chidi@example.org', '2025-01-15'), ('Dolores Vega', NULL, 'dolores@example.org', '2025-03-09'),
  ('Emre Kaya', 'İzmir', 'emre@example.org', '2025-11-30'), ('Fumiko Sato', '大阪', 'fumiko@example.org', '2026-05-05');
INSERT INTO products (title, price, stock) VALUES
  ('Teapot', 34.50, 400), ('Cup', 7.90, 2000), ('Kettle', 59.00, 250), ('Green tea, 100 g', 6.25, 3000), ('Tea towel 🍵', 4.80, 900);
SQL
"$tree/bin/mariadb-dump" --defaults-file="$dir/i/my.cnf" --single-transaction --master-data=2 --routines --triggers --events \
  --hex-blob --default-character-set=utf8mb4 --databases shop >"$here/shop.sql"

pause
{
  for i in $(seq 1 150); do
    echo "INSERT INTO shop.orders (customer_id, product_id, quantity) VALUES ($((i * 7 % 6 + 1)), $((i * 5 % 5 + 1)), $((i % 4 + 1)));"
    [ $((i % 3)) = 0 ] && echo "UPDATE shop.orders SET status = 'paid' WHERE id = $((i - 1));"
    [ $((i % 5)) = 0 ] && echo "UPDATE shop.orders SET status = 'shipped' WHERE id = $((i - 3));"
    [ $((i % 40)) = 0 ] && echo "UPDATE shop.products SET stock = stock + 100 WHERE stock < 200;"
    [ "$i" = 75 ] && echo "FLUSH BINARY LOGS;"
    echo "DO SLEEP(0.2);"
  done
} | sql
pause; good=$(now); pause
sql -e "UPDATE shop.products SET price = 0.01"                                   # without a WHERE
pause
sql -e "INSERT INTO shop.orders (customer_id, product_id, quantity) VALUES (3, 3, 2), (3, 1, 4)"
pause
sql -e "SET foreign_key_checks = 0; DROP TABLE shop.customers"                   # the wrong terminal
pause; damaged=$(now); pause
sql -e "INSERT INTO shop.products (title, price, stock) VALUES ('Strainer', 3.10, 120); FLUSH BINARY LOGS"
rm -f "$here"/binlog.*; cp "$dir"/i/data/binlog.00000[0-9] "$here/"; rm -f "$here/binlog.000003"
chmod 644 "$here"/*.sql "$here"/binlog.*
printf 'good=%s\ndamaged=%s\n' "$good" "$damaged" >"$here/moments"
ls -l "$here"; cat "$here/moments"
