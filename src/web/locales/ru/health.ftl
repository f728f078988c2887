# Что находит доктор.

health-title = Состояние
health-all = Прочитать и всю базу
health-good = Никто не нужен: всё в порядке.
health-wrong =
    { $n ->
        [one] { $n } вещь требует внимания.
        [few] { $n } вещи требуют внимания.
       *[many] { $n } вещей требуют внимания.
    }
health-verdict = Как дела
health-check = Что
health-subject = У чего
health-measured = Измерено
verdict-good = хорошо
verdict-remark = взгляните
verdict-wrong = плохо
doctor-seconds = { $n } с
doctor-check-configuration = конфигурация
doctor-check-migrations = схема базы
doctor-check-integrity = целость базы
doctor-check-account = учётную запись слышно
doctor-check-link = связь
doctor-check-refused = сообщения не приняты
doctor-check-clock = часы расходятся на
doctor-check-extension = телефон ничей
doctor-check-number = номер без канала
doctor-check-recordings-waiting = записи ждут
doctor-check-recordings-failed = записи не сохранены
doctor-check-outbox = задания ждут, старейшее
doctor-check-letters = непонятые сообщения
doctor-check-certificate = сертификат действует ещё
doctor-check-disk = свободное место
doctor-check-permissions = кто может читать
doctor-check-figures = показатели расходятся
